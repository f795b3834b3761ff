"""One side of the benchmark of predictions: PyTorch or ONNX Runtime, timed on command.

usage: worker_predict.py MODE NETWORK THREADS BATCH    MODE: eager, inference (torch.inference_mode), compile,
onnxruntime;
                                                       NETWORK: vgg16, or widths such as 784,512,512,10
"""
import sys
import time

import numpy

mode, network, threads, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CHANNELS = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
SHAPE = [batch, 3, 32, 32] if network == "vgg16" else [batch, int(network.split(",")[0])]
WIDTHS = [512, 4096, 4096, 10] if network == "vgg16" else [int(word) for word in network.split(",")]


def torch_prediction():
    import torch
    torch.set_num_threads(threads)
    layers, before = [], 3
    for channels in CHANNELS if network == "vgg16" else []:
        layers += [torch.nn.Conv2d(before, channels, 3, padding=1), torch.nn.ReLU(inplace=True)] if channels else \
            [torch.nn.MaxPool2d(2)]
        before = channels or before
    layers += [torch.nn.Flatten()]
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(inplace=True)]
    model = torch.nn.Sequential(*layers[:-1]).eval()
    x = torch.rand(SHAPE)
    if mode == "compile":
        model = torch.compile(model)
    guard = torch.no_grad if mode == "eager" else torch.inference_mode

    def predict():
        with guard():
            model(x)
    return predict


def onnx_prediction():
    import onnx
    import onnxruntime
    helper, numbers = onnx.helper, numpy.random.default_rng(1)
    nodes, constants = [], []

    def constant(shape, fan_in):
        name = f"c{len(constants)}"
        values = (numbers.standard_normal(shape) / fan_in ** 0.5).astype(numpy.float32)
        constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    def add(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"n{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    value, before = "x", 3
    for channels in CHANNELS if network == "vgg16" else []:
        if channels:
            weight = constant((channels, before, 3, 3), 9 * before)
            value = add("Relu", [add("Conv", [value, weight, constant((channels,), 1)], pads=[1, 1, 1, 1])])
        else:
            value = add("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
        before = channels or before
    value = add("Flatten", [value])
    for k, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        value = add("Gemm", [value, constant((inputs, outputs), inputs), constant((outputs,), 1)])
        if k < len(WIDTHS) - 2:
            value = add("Relu", [value])
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", 1, SHAPE)],
                              [helper.make_tensor_value_info(value, 1, [batch, WIDTHS[-1]])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = numbers.random(SHAPE, dtype=numpy.float32)
    return lambda: session.run(None, {"x": x})


predict = onnx_prediction() if mode == "onnxruntime" else torch_prediction()
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        predict()
        times.append((time.perf_counter() - start) * 1e3)
    print(" ".join(f"{t:.6f}" for t in times), flush=True)
