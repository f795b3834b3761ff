/*
 * network_internal.h - networks, layers and their parameters.
 *
 * A parameter is a layer and whether its bias is meant. On the host it is contiguous, in the context's precision and
 * in the public layout (dualprop__parameter_shape()); a staging buffer holds any one parameter of a network.
 */
#ifndef DUALPROP_CORE_NETWORK_INTERNAL_H
#define DUALPROP_CORE_NETWORK_INTERNAL_H

#include "core/backend/backend_internal.h"

struct dualprop_layer {
    uint32_t magic;
    dualprop_network *network;
    int index; /* 1..L */
    int kind, activation;
    const struct dualprop__activation *custom_activation; /* the activation, if it is the caller's; else NULL */
    const struct dualprop__custom_map *custom_map;        /* of a DUALPROP_LAYER_CUSTOM */
    int64_t custom_weights, fan_in;                       /* of a DUALPROP_LAYER_CUSTOM */
    int64_t inputs, outputs;                              /* elements of a sample on either side, pooling included */
    int64_t bias_elements;
    dualprop_convolution map;   /* of a convolutional or local layer, for a batch of 1 */
    int64_t weight_elements;    /* in the backend's layout */
    void *weight, *bias;        /* backend memory */
    void *feedback;             /* what carries delta down in place of the weights, in their layout; NULL: they do */
    atomic_int weights_are_set; /* were they ever initialised, written, copied or loaded? */
    int frozen;
    double learning_rate;
};

struct dualprop_network {
    uint32_t magic;
    atomic_int references;
    dualprop_context *context;
    int64_t height, width, channels;
    int layer_count, layer_capacity;
    int64_t parameters;      /* of all layers; each append has checked that they fit */
    dualprop_layer **layers; /* [layer_capacity] */
    int64_t top[3];          /* height, width, channels of what the next layer takes */
    atomic_int sealed;       /* a state or an optimizer was made: no more layers */
    _Atomic uint64_t users;  /* who reads and who writes, and in which process; see network_lock.c */
    atomic_uint_fast64_t generation;
    atomic_uint_fast64_t written; /* raised by every write that is no learning step */
    int initializer;
    double initializer_scale;
    int feedback;             /* DUALPROP_FEEDBACK_...: how layers' feedback weights were drawn, and learn */
    void *feedback_staging;   /* host memory for two of the largest weights, where there is feedback */
    double *mean, *deviation; /* [channels] */
    /*
     * network_publish.c. Of a network that is published to, the parameters lie in one of several networks, this one
     * among them: who reads takes the front one, and keeps it while it reads.
     */
    _Atomic(dualprop_network *) front; /* NULL: it is not published to */
    dualprop_network *spare[2];        /* made at the first publication */
    atomic_int publishing;             /* does a call publish to it? */
    int open;                          /* DUALPROP_OPEN_...: ends at which another network goes on */
    int is_outline;                    /* has shapes alone, and no memory for parameters */
};

/* ---- network.c ---- */
void dualprop__network_retain(dualprop_network *network);
void dualprop__network_release(dualprop_network *network);
/* network_lock.c */
/* INVALID_STATE if the network is an outline, which has no parameters. */
dualprop_status dualprop__network_check_real(const dualprop_network *network);
/* INVALID_STATE if the weights of a layer are zero because they were never set. */
dualprop_status dualprop__network_check_set(const dualprop_network *network);
/*
 * Begin to read. *opened is the network whose layers hold the parameters: the same, or the front one of a network that
 * is published to. dualprop__network_end_read() takes it.
 */
dualprop_status dualprop__network_open(dualprop_network **opened, const dualprop_network *network);
/* The same where the network's own layers have to hold them: INVALID_STATE if it is published to. */
dualprop_status dualprop__network_begin_read(dualprop_network *network);
void dualprop__network_end_read(dualprop_network *network);
dualprop_status dualprop__network_begin_write(dualprop_network *network);
/* The same for a change of shapes, which an outline allows. */
dualprop_status dualprop__network_begin_change(dualprop_network *network);
/* Both raise the generation; the first is for writes that no learning step made. */
void dualprop__network_end_write(dualprop_network *network);
void dualprop__network_end_step(dualprop_network *network);
/* From the caller's own read to a write, if no other call reads (else BUSY), and back. */
dualprop_status dualprop__network_upgrade(dualprop_network *network);
int dualprop__network_try_upgrade(dualprop_network *network); /* the same without a word; true if it is done */
void dualprop__network_downgrade(dualprop_network *network);
/* Begin to write into a spare of a network that is published to, without a word; true where it is done. */
int dualprop__network_try_write(dualprop_network *network);
/* Find a parameter tensor by name: its layer, and whether it is the bias. */
dualprop_status dualprop__network_find(dualprop_layer **layer, int *is_bias, const dualprop_network *network,
                                       const char *name);

/* ---- layer_shape.c: what follows from the shape of a layer that exists ---- */
/* The extents of a parameter in the public layout; returns their number. */
int dualprop__parameter_shape(int64_t shape[DUALPROP_MAX_RANK], const dualprop_layer *layer, int is_bias);
int64_t dualprop__parameter_elements(const dualprop_layer *layer, int is_bias);
/* Refuse a view of another shape than the parameter's. */
dualprop_status dualprop__parameter_check(const dualprop_view *view, const dualprop_layer *layer, int is_bias,
                                          const char *name);
/* Outputs at one place: what softmax runs over. */
int64_t dualprop__layer_channels(const dualprop_layer *layer);
/* "[3, 3, 16, 32]", for sentences. */
typedef struct dualprop__shape_text {
    char text[200];
} dualprop__shape_text;
dualprop__shape_text dualprop__describe_shape(const int64_t *shape, int rank);
/* Refuse a checked view whose shape is not (rows, columns). */
dualprop_status dualprop__check_matrix(const dualprop_context *context, const dualprop_view *view, int64_t rows,
                                       int64_t columns, const char *name);
/* Has the layer a map of images, `map`? Dense layers and maps of the caller's take vectors. */
static inline int dualprop__layer_is_image(const dualprop_layer *layer)
{
    return layer->kind == DUALPROP_LAYER_CONVOLUTION || layer->kind == DUALPROP_LAYER_LOCAL;
}
/* Are two layers of the same kind and shape? Their parameters then are, too. */
int dualprop__layer_alike(const dualprop_layer *one, const dualprop_layer *other);

/* The shape (height, width, channels) of a layer's output; (1, 1, outputs) of a dense layer. */
void dualprop__layer_output(int64_t shape[3], const dualprop_layer *layer);

/*
 * ---- layer_shape.c: what shapes follow from a layer's description, before it has parameters ----
 *
 * A description is a dualprop_layer of which only kind, activation, what is custom, inputs, outputs, bias_elements and
 * map are set; of a layer that exists it is the layer itself.
 */

/* Describe a dense layer on an input of this shape. RANGE if sizes overflow. */
dualprop_status dualprop__describe_dense(dualprop_layer *layer, const dualprop_context *context, const int64_t input[3],
                                         int64_t outputs, int activation);

/* Describe a convolutional or locally connected layer; stride NULL is 1, padding NULL keeps the size. */
dualprop_status dualprop__describe_convolution(dualprop_layer *layer, const dualprop_context *context, int kind,
                                               const int64_t input[3], int64_t channels, const int64_t kernel[2],
                                               const int64_t *stride, const int64_t *padding, int activation);

/* Describe a layer with a map of the caller's on an input of this shape. */
dualprop_status dualprop__describe_custom(dualprop_layer *layer, const dualprop_context *context,
                                          const int64_t input[3], const struct dualprop__custom_map *map,
                                          int64_t outputs, int64_t weights, int64_t fan_in, int activation);

/* Add pooling after a described layer's map; stride NULL is the window. */
dualprop_status dualprop__describe_pooling(dualprop_layer *layer, const dualprop_context *context, int pooling,
                                           const int64_t window[2], const int64_t *stride);

/* Inputs and outputs of one neuron's weights, for initialisers: the taps times the channels. */
void dualprop__layer_fans(double *in, double *out, const dualprop_layer *layer);

/* ---- parameter.c: arrays of a layer's parameters (weights, gradients, moments) and the public layout ---- */
dualprop_status dualprop__parameter_read(void *host, const dualprop_layer *layer, int is_bias, const void *memory);
dualprop_status dualprop__parameter_write(const dualprop_layer *layer, int is_bias, void *memory, const void *host);

/* layer.c */
/* Make a layer with zero parameters from a description. Its network does not know of it yet. */
dualprop_status dualprop__layer_create(dualprop_layer **layer, dualprop_network *network,
                                       const dualprop_layer *description, int index);
void dualprop__layer_destroy(dualprop_layer *layer); /* NULL and half-built are fine */
/* Make it one of this description, with the parameters that it has; 0: they would have another layout. */
int dualprop__layer_reshape(dualprop_layer *layer, const dualprop_layer *description);
/* What it takes of memory; of an outline what it would. */
uint64_t dualprop__layer_bytes(const dualprop_layer *layer);
/* The same of a layer that a network might get. */
uint64_t dualprop__described_bytes(const dualprop_network *network, const dualprop_layer *description);

/* Of a layer or a description: the activation's name, built-in or the caller's. */
const char *dualprop__layer_activation_name(const dualprop_layer *layer);
/* Have two layers, of contexts that may differ, the same activation? */
int dualprop__layer_activates_alike(const dualprop_layer *one, const dualprop_layer *other);
/* CANCELLED, if a function of the layer's activation, or of its map, returned anything but 0. */
dualprop_status dualprop__layer_answer(const dualprop_layer *layer, int answer);
dualprop_status dualprop__layer_map_answer(const dualprop_layer *layer, int answer);

/* network.c */
/* As dualprop_network_create(), after its checks. The context lives, if only through its children. */
dualprop_status dualprop__network_make(dualprop_network **network, dualprop_context *context, int64_t height,
                                       int64_t width, int64_t channels);
int64_t dualprop__network_inputs(const dualprop_network *network);
int64_t dualprop__network_outputs(const dualprop_network *network); /* the input's size if there is no layer */

/*
 * network_add.c: is a layer's map the caller's? How large its gradient can get is then not known from its dyads, so it
 * is computed and checked before the step.
 */
int dualprop__network_has_custom_maps(const dualprop_network *network);
int64_t dualprop__network_parameters(const dualprop_network *network); /* of all layers together */
/* Put a layer of this description on top. */
dualprop_status dualprop__network_append(dualprop_network *network, const dualprop_layer *description);
/* (height, width, channels) becomes (1, 1, all of them). */
static inline void dualprop__flatten(int64_t shape[3])
{
    shape[2] *= shape[0] * shape[1];
    shape[0] = shape[1] = 1;
}

/* End a write before which nothing was changed. */
void dualprop__network_abandon_write(dualprop_network *network);

/* parameter.c */
/* Elements of the largest weights. */
int64_t dualprop__largest_weights(const dualprop_network *network);
uint64_t dualprop__network_pointer_bytes(const dualprop_network *network); /* of dualprop_network_memory_needed() */
/* Host memory for any one parameter of the network, or NULL with the last error set. */
void *dualprop__parameter_staging(const dualprop_network *network);
dualprop_status dualprop__parameter_fetch(void *host, const dualprop_layer *layer, int is_bias);
dualprop_status dualprop__parameter_store(dualprop_layer *layer, int is_bias, const void *host);
/* Copy a parameter, or what is laid out as it is in `memory`, to a checked view. The network is open for reading. */
dualprop_status dualprop__parameter_read_view(const dualprop_view *view, const dualprop_layer *layer, int is_bias,
                                              const void *memory);
/*
 * Open the network for writing and store what a checked view holds, if it is finite, in `memory`, which is laid out as
 * the parameter is; NULL: as the parameter itself. `what` names the view in a sentence.
 */
dualprop_status dualprop__parameter_replace(dualprop_layer *layer, int is_bias, void *memory, const dualprop_view *view,
                                            const char *what);
/* network_copy.c: as dualprop_network_clone(), after its checks and with `network` open for reading. */
dualprop_status dualprop__network_clone(dualprop_network **clone, const dualprop_network *network);
/* Have two networks the same precision and layers? `to` and `from` are the names of the caller's arguments. */
dualprop_status dualprop__network_check_alike(const dualprop_network *destination, const dualprop_network *source,
                                              const char *to, const char *from);
/* Copy feedback weights and parameters between alike networks of one context, open for writing and reading. */
dualprop_status dualprop__network_copy_arrays(dualprop_network *destination, const dualprop_network *source);
/* Copy all parameters through host memory; `source` is open for reading. */
dualprop_status dualprop__network_copy_through(void *staging, dualprop_network *destination,
                                               const dualprop_network *source);

/* initialize.c: draw weights as the network's initializer does, from any stream. */
void dualprop__draw_weights(void *reals, const dualprop_layer *layer, uint64_t seed, uint64_t stream);

/* feedback.c */
/* Make zero feedback weights of a kind (SYMMETRIC: none); the network has none on failure. */
dualprop_status dualprop__feedback_allocate(dualprop_network *network, int kind);
/* Bring the signs of sign-symmetric feedback weights back to those of the weights. */
void dualprop__feedback_align(dualprop_network *network);

#endif
