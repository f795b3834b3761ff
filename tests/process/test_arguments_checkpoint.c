/*
 * test_arguments_checkpoint.c - every function of checkpoint.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_checkpoint_suite(void);

static void sweep_network_export_c(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_export_c(bad, "/nowhere", "net"))
    INVALID("folder", dualprop_network_export_c(own.network, NULL, "net"));
    INVALID("name", dualprop_network_export_c(own.network, "/nowhere", NULL));
    INVALID("name", dualprop_network_export_c(own.network, "/nowhere", ""));
    INVALID("name", dualprop_network_export_c(own.network, "/nowhere", "9lives"));
    INVALID("name", dualprop_network_export_c(own.network, "/nowhere", "a-b"));
}

static void sweep_checkpoint_create(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_create(NULL, own.context));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_create(&made, bad))
}

static void sweep_checkpoint_destroy(void)
{
    DESTROYS(checkpoint, CHECKPOINT);
}

static void sweep_checkpoint_read(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_read(NULL, own.context, "x"));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_read(&made, bad, "x"))
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "path", dualprop_checkpoint_read(&made, own.context, NULL));
    NOTHING(made, DUALPROP_ERROR_ACCESS, "no/such/file", dualprop_checkpoint_read(&made, own.context, "no/such/file"));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "path", dualprop_checkpoint_read(&made, own.context, ""));
    NOTHING(made, DUALPROP_ERROR_ACCESS, "/", dualprop_checkpoint_read(&made, own.context, "/"));
}

static void sweep_checkpoint_read_memory(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_read_memory(NULL, own.context, images, sizeof images));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_read_memory(&made, bad, images, 8))
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "data",
            dualprop_checkpoint_read_memory(&made, own.context, NULL, 8));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_read_memory(&made, own.context, "", 0));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_read_memory(&made, own.context, "no file", 7));
}

static void sweep_checkpoint_write(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_write(bad, "no/such/folder/file"))
    INVALID("path", dualprop_checkpoint_write(own.checkpoint, NULL));
    expect_error(dualprop_checkpoint_write(own.checkpoint, "no/such/folder/file"), DUALPROP_ERROR_ACCESS,
                 "no/such/folder/file");
}

static void sweep_checkpoint_put_network(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_network(bad, own.network))
    HANDLES(network, NETWORK, "network", dualprop_checkpoint_put_network(own.checkpoint, bad))
}

static void sweep_checkpoint_put_rule(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_rule(bad, own.rule))
    HANDLES(rule, RULE, "rule", dualprop_checkpoint_put_rule(own.checkpoint, bad))
}

static void sweep_checkpoint_put_state(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_state(bad, own.state))
    HANDLES(state, STATE, "state", dualprop_checkpoint_put_state(own.checkpoint, bad))
}

static void sweep_checkpoint_get_state(void)
{
    HANDLES(state, STATE, "state", dualprop_checkpoint_get_state(bad, own.checkpoint))
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_get_state(own.state, bad))
    expect_error(dualprop_checkpoint_get_state(own.state, own.checkpoint), DUALPROP_ERROR_FORMAT, "state");
}

static void sweep_checkpoint_put_optimizer(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_optimizer(bad, own.optimizer))
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_checkpoint_put_optimizer(own.checkpoint, bad))
}

static void sweep_checkpoint_put_text(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_text(bad, "key", "value"))
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, NULL, "value"));
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, "format", "mine"));
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, "network", NULL));
}

static void sweep_checkpoint_put_tensor(void)
{
    dualprop_view good = vector_view(values, DUALPROP_F32, 3);
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_tensor(bad, "mine", &good))
    INVALID("name", dualprop_checkpoint_put_tensor(own.checkpoint, NULL, &good));
    VIEWS(good, 1 << 20, BAD_VIEWS_OF_ANY_SHAPE, "view", dualprop_checkpoint_put_tensor(own.checkpoint, "mine", bad))
}

static void sweep_checkpoint_get_network(void)
{
    dualprop_network *made;
    dualprop_checkpoint *empty;
    INVALID("network", dualprop_checkpoint_get_network(NULL, own.checkpoint));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made, dualprop_checkpoint_get_network(&made, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_network(&made, empty));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_rule(void)
{
    dualprop_rule *made;
    dualprop_checkpoint *empty;
    INVALID("rule", dualprop_checkpoint_get_rule(NULL, own.checkpoint));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made, dualprop_checkpoint_get_rule(&made, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_rule(&made, empty));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_optimizer(void)
{
    dualprop_optimizer *made;
    dualprop_checkpoint *empty;
    INVALID("optimizer", dualprop_checkpoint_get_optimizer(NULL, own.checkpoint, own.network));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made,
                      dualprop_checkpoint_get_optimizer(&made, bad, own.network))
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_checkpoint_get_optimizer(&made, own.checkpoint, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_optimizer(&made, empty, own.network));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_text(void)
{
    dualprop_checkpoint *checkpoint = own.checkpoint;
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_get_text(out.text, 8, &out.size, bad, "note"))
    INVALID("buffer", dualprop_checkpoint_get_text(NULL, 8, &out.size, checkpoint, "note"));
    INVALID("key", dualprop_checkpoint_get_text(out.text, 8, &out.size, checkpoint, NULL));
    INVALID("none of these", dualprop_checkpoint_get_text(out.text, 8, &out.size, checkpoint, "none of these"));
}

static void sweep_checkpoint_tensor_count(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_tensor_count(&out.n[0], bad))
    INVALID("count", dualprop_checkpoint_tensor_count(NULL, own.checkpoint));
}

static void sweep_checkpoint_tensor(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_tensor(&out.name, &out.view, bad, 0))
    NUMBERS(int64_t, "index", dualprop_checkpoint_tensor(&out.name, &out.view, own.checkpoint, bad), -1, 1000,
            INT64_MIN, INT64_MAX);
}

static void sweep_checkpoint_find(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_find(&out.view, bad, "layer1.weight"))
    INVALID("view", dualprop_checkpoint_find(NULL, own.checkpoint, "layer1.weight"));
    INVALID("name", dualprop_checkpoint_find(&out.view, own.checkpoint, NULL));
    INVALID("layer9.weight", dualprop_checkpoint_find(&out.view, own.checkpoint, "layer9.weight"));
}

static const struct sweep SWEEPS[] = {
    SWEEP(network_export_c),         SWEEP(checkpoint_create),        SWEEP(checkpoint_destroy),
    SWEEP(checkpoint_read),          SWEEP(checkpoint_read_memory),   SWEEP(checkpoint_write),
    SWEEP(checkpoint_put_network),   SWEEP(checkpoint_put_rule),      SWEEP(checkpoint_put_state),
    SWEEP(checkpoint_get_state),     SWEEP(checkpoint_put_optimizer), SWEEP(checkpoint_put_text),
    SWEEP(checkpoint_put_tensor),    SWEEP(checkpoint_get_network),   SWEEP(checkpoint_get_rule),
    SWEEP(checkpoint_get_optimizer), SWEEP(checkpoint_get_text),      SWEEP(checkpoint_tensor_count),
    SWEEP(checkpoint_tensor),        SWEEP(checkpoint_find),
};
const struct sweep_list SWEEPS_OF_CHECKPOINT = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_checkpoint_suite(void)
{
    return arguments_suite("arguments_checkpoint", &SWEEPS_OF_CHECKPOINT);
}
