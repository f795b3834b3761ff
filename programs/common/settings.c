/*
 * settings.c - the table of options, and how values are read, written and checked.
 */
#include "settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "numbers.h"
#include "peers.h"
#include "rule_settings.h"

#define PLACE(member) offsetof(settings, member)
#define MANY 1e6
#define HUGE_COUNT 1e15
#define LARGE 1e30

const setting setting_table[] = {
    { "dataset", VALUE_CHOICE, RESUME_FIXED, PLACE(dataset), 0, 0,
      "mnist fashion-mnist npy cifar10 cifar100 imagenet32 idx", -1, "fashion-mnist", "NAME",
      "what to learn: mnist, fashion-mnist, idx (other files of that layout), cifar10, cifar100, imagenet32, npy" },
    { "data", VALUE_TEXT, RESUME_FREE, PLACE(data), 0, 0, NULL, -1, "", "DIR",
      "folder of the data set's files (fashion-mnist: where Debian puts them)" },
    { "limit", VALUE_INTEGER, RESUME_FIXED, PLACE(limit), 1, HUGE_COUNT, NULL, -1, NULL, "N",
      "use the first N training samples (all)" },
    { "hidden", VALUE_SIZES, RESUME_FIXED, PLACE(hidden), 1, MANY, NULL, -1, "512,512", "LIST",
      "sizes of the hidden layers" },
    { "model", VALUE_CHOICE, RESUME_FIXED, PLACE(model), 0, 0, "vgg16 vgglike cnn minicnn", -1, "vgg16", "NAME",
      "the network: vgg16, vgglike, cnn, minicnn" },
    { "activation", VALUE_CHOICE, RESUME_FIXED, PLACE(activation), 0, 0,
      "identity relu leaky-relu hard-sigmoid sigmoid tanh softplus elu silu softmax", DUALPROP_NAMES_ACTIVATION, "relu",
      "NAME",
      "of the hidden layers: identity, relu, leaky-relu, hard-sigmoid, sigmoid, tanh, softplus, elu, silu, softmax" },
    { "init", VALUE_CHOICE, RESUME_FIXED, PLACE(initializer), 0, 0, "paper lecun truncated glorot he",
      DUALPROP_NAMES_INITIALIZER, "paper", "NAME",
      "of the weights: paper, lecun, truncated, glorot, he (dualprop-mlp: lecun for idx and npy)" },
    { "seed", VALUE_SEED, RESUME_FIXED, PLACE(seed), 0, 0, NULL, -1, "1", "N", "same seed, same bits" },
    { "rule", VALUE_CHOICE, RESUME_FIXED, PLACE(rule), 0, 0,
      "bp dp dp-adjoint dp-damped lpom inverted-lpom fenchel lecun", DUALPROP_NAMES_RULE, "dp-adjoint", "NAME",
      "bp, dp (Eq. 2), dp-adjoint (Eq. 19), dp-damped (Eq. 50), lpom, inverted-lpom, fenchel, lecun" },
    { "alpha", VALUE_NUMBERS, RESUME_FIXED, PLACE(alpha), 0, 1, NULL, -1, "0.5", "X",
      "weight of s+ in the mean, 0 to 1; a list: one per layer" },
    { "beta", VALUE_NUMBERS, RESUME_FIXED, PLACE(beta), -LARGE, LARGE, NULL, -1, "0.5", "X",
      "strength of the nudge, not 0; a list: one per layer" },
    { "alpha-mismatch", VALUE_REAL, RESUME_FIXED, PLACE(alpha_mismatch), 0, LARGE, NULL, -1, "0", "SD",
      "let alpha differ from neuron to neuron by this standard deviation" },
    { "loss", VALUE_CHOICE, RESUME_FIXED, PLACE(loss), 0, 0, "mse ce", DUALPROP_NAMES_LOSS, "mse", "NAME",
      "mse (half the squared error) or ce (softmax cross-entropy)" },
    { "output-step", VALUE_CHOICE, RESUME_FIXED, PLACE(output_step), 0, 0, "linear exact sprovr",
      DUALPROP_NAMES_OUTPUT_STEP, "linear", "NAME", "linear (Eq. 22), exact (Eq. 3), sprovr (Eq. 63-68)" },
    { "nudge-at", VALUE_CHOICE, RESUME_FIXED, PLACE(nudge_at), 0, 0, "current prediction", DUALPROP_NAMES_NUDGE_AT,
      "current", "NAME", "where the loss is linearised: current or prediction" },
    { "schedule", VALUE_CHOICE, RESUME_FIXED, PLACE(schedule), 0, 0,
      "fw-bw fw bw odd-even even-odd jacobi random async list", DUALPROP_NAMES_SCHEDULE, "fw-bw", "NAME",
      "the order of layer updates: fw-bw, fw, bw, odd-even, even-odd, jacobi, random, async, list" },
    { "passes", VALUE_INTEGER, RESUME_FIXED, PLACE(passes), 1, MANY, NULL, -1, "1", "N", "passes of the schedule" },
    { "start", VALUE_CHOICE, RESUME_FIXED, PLACE(start), 0, 0, "feed-forward last zero", -1, "feed-forward", "NAME",
      "where the states of an inference start: feed-forward, last (where the inference of the batch before ended, if "
      "it had as many samples), zero" },
    { "updates", VALUE_INTEGER, RESUME_FIXED, PLACE(updates), 1, MANY, NULL, -1, "1", "N",
      "updates of the weights in one inference, evenly over its passes; 1: when it has ended" },
    { "divergence", VALUE_CHOICE, RESUME_FIXED, PLACE(divergence), 0, 0, "size growth", -1, "size", "NAME",
      "report an inference as diverged by the size of its states, or also when its changes grow in three passes in a "
      "row: size, growth" },
    { "tolerance", VALUE_REAL, RESUME_FIXED, PLACE(tolerance), 0, LARGE, NULL, -1, "0", "X",
      "stop an inference when the states change by less" },
    { "order", VALUE_ORDER, RESUME_FIXED, PLACE(order), 0, 1000, NULL, -1, "", "LIST",
      "the order of layers for --schedule list; 0 is the input, with --input-robustness" },
    { "async-fraction", VALUE_REAL, RESUME_FIXED, PLACE(async_fraction), 1e-6, 1, NULL, -1, "0.5", "X",
      "the fraction of a layer's neurons that are updated at a visit under --schedule async" },
    { "time-step", VALUE_REAL, RESUME_FIXED, PLACE(time_step), 1e-6, 1, NULL, -1, "1", "X",
      "of leaky integration; 1: none" },
    { "damping", VALUE_DAMPING, RESUME_FIXED, PLACE(damping), 0, LARGE, NULL, -1, "", "NAME",
      "of the damped rules: half, gamma2, or D_k as a number or a list for the hidden layers (half)" },
    { "power-iterations", VALUE_INTEGER, RESUME_FIXED, PLACE(power_iterations), 1, 10000, NULL, -1, "5", "N",
      "for the spectral norms of --damping half and gamma2" },
    { "fresh-minus", VALUE_CHOICE, RESUME_FIXED, PLACE(fresh_minus), 0, 0, "off on", -1, "off", "NAME",
      "of --rule lpom: form s- of the layer above again before each update, as Eq. 50 has it: on, off" },
    { "input-robustness", VALUE_REAL, RESUME_FIXED, PLACE(input_robustness), 0, LARGE, NULL, -1, "0", "RHO",
      "strength of the input's own dyads, E_0; 0: none" },
    { "feedback", VALUE_CHOICE, RESUME_FIXED, PLACE(feedback), 0, 0, "symmetric kolen-pollack random sign",
      DUALPROP_NAMES_FEEDBACK, "symmetric", "NAME",
      "the weights that carry delta down: symmetric (W^T), kolen-pollack, random, sign" },
    { "noise-state", VALUE_REAL, RESUME_FIXED, PLACE(noise_state), 0, LARGE, NULL, -1, "0", "SD",
      "Gaussian noise on s+ and s- after each update" },
    { "noise-down", VALUE_REAL, RESUME_FIXED, PLACE(noise_down), 0, LARGE, NULL, -1, "0", "SD",
      "Gaussian noise on the top-down signal" },
    { "noise-weight", VALUE_REAL, RESUME_FIXED, PLACE(noise_weight), 0, LARGE, NULL, -1, "0", "SD",
      "Gaussian noise on the weights as an inference reads them" },
    { "quantize", VALUE_INTEGER, RESUME_FIXED, PLACE(quantize), 0, 24, NULL, -1, "0", "BITS",
      "round s+ and s- to 2^BITS steps; 0: none" },
    { "pool-switches", VALUE_CHOICE, RESUME_FIXED, PLACE(pool_switches), 0, 0, "bottom-up original",
      DUALPROP_NAMES_SWITCHES, "bottom-up", "NAME",
      "which arg-max positions max pooling uses for delta: bottom-up, original (as the paper's code)" },
    { "optimizer", VALUE_CHOICE, RESUME_FIXED, PLACE(optimizer), 0, 0, "sgd adam adamw", DUALPROP_NAMES_OPTIMIZER,
      "adam", "NAME", "sgd, adam, adamw" },
    { "lr", VALUE_REAL, RESUME_FIXED, PLACE(learning_rate), 0, LARGE, NULL, -1, NULL, "X",
      "learning rate (adam, adamw 0.001; sgd 0.025)" },
    { "momentum", VALUE_REAL, RESUME_FIXED, PLACE(momentum), 0, 0.999999, NULL, -1, "0.9", "X", "of sgd" },
    { "weight-decay", VALUE_REAL, RESUME_FIXED, PLACE(weight_decay), 0, LARGE, NULL, -1, NULL, "X", "(0; adamw 0.01)" },
    { "warmup", VALUE_INTEGER, RESUME_FIXED, PLACE(warmup), 0, MANY, NULL, -1, "0", "N",
      "epochs in which the learning rate rises (vgg16: a thirteenth of the epochs)" },
    { "decay-epochs", VALUE_INTEGER, RESUME_FIXED, PLACE(decay_epochs), 0, MANY, NULL, -1, "0", "N",
      "epochs, warm-up included, after which the rate has its smallest value; 0 without --warmup: a constant rate "
      "(vgg16: twelve thirteenths of the epochs)" },
    { "min-lr", VALUE_REAL, RESUME_FIXED, PLACE(min_learning_rate), 0, LARGE, NULL, -1, "0", "X",
      "smallest learning rate" },
    { "epochs", VALUE_INTEGER, RESUME_DEFAULT, PLACE(epochs), 1, MANY, NULL, -1, "10", "N",
      "passes over the whole training set" },
    { "batch", VALUE_INTEGER, RESUME_FIXED, PLACE(batch), 1, MANY, NULL, -1, "50", "N", "samples per step" },
    { "blocks", VALUE_INTEGER, RESUME_DEFAULT, PLACE(blocks), 1, DUALPROP_MAX_GROUP, NULL, -1, NULL, "K",
      "compute the gradient in K blocks of the batch, so that 1 to K processes have the same bits (as many as "
      "processes)" },
    { "shuffle", VALUE_CHOICE, RESUME_FIXED, PLACE(shuffle), 0, 0, "samples batches", -1, "samples", "NAME",
      "what each epoch permutes: samples, or batches divided once in file order" },
    { "augment", VALUE_SET, RESUME_FIXED, PLACE(augment), 0, 0, "crop flip", -1, "off", "LIST",
      "of crop (shift by up to 4 pixels, zeros outside), flip: applied to training images at random; or off (vgg16: "
      "crop,flip for the colour sets)" },
    { "validation", VALUE_REAL, RESUME_FIXED, PLACE(validation), 0, 0.9, NULL, -1, "0", "FRACTION",
      "hold out this part of the training set, chosen by the seed; the network that does best on it is tested" },
    { "adversarial", VALUE_CHOICE, RESUME_FIXED, PLACE(adversarial), 0, 0, "off fgsm raw", -1, "off", "NAME",
      "train on x + epsilon sign(grad_x) (fgsm) or x + epsilon grad_x (raw) of each sample's loss; with --rule bp" },
    { "epsilon", VALUE_REAL, RESUME_FIXED, PLACE(epsilon), 0, LARGE, NULL, -1, "0.01", "X",
      "of --adversarial, on the scale on which a byte ranges from 0 to 1" },
    { "attack", VALUE_NUMBERS, RESUME_FREE, PLACE(attack), 0, LARGE, NULL, -1, "", "LIST",
      "at the end, test under fgsm and pgd at these epsilons, images kept in their range" },
    { "diagnostics", VALUE_SET, RESUME_DEFAULT, PLACE(diagnostics), 0, 0,
      "angle norms silent residual gamma lipschitz objective bregman", -1, "off", "LIST",
      "of angle, norms (against back-propagation's gradient), silent, residual, gamma, lipschitz (norms of the "
      "weights; with gamma also the damping, if there is one), objective (Eq. 1, 12, 18), bregman (Delta E_k, Eq. "
      "23)" },
    { "audit-every", VALUE_INTEGER, RESUME_DEFAULT, PLACE(audit_every), 1, MANY, NULL, -1, "100", "N",
      "batches from one measurement to the next" },
    { "audit-log", VALUE_TEXT, RESUME_FREE, PLACE(audit_log), 0, 0, NULL, -1, "", "FILE",
      "one JSON object per measured batch; added to the file when resuming" },
    { "backend", VALUE_CHOICE, RESUME_FREE, PLACE(backend), 0, 0, "auto blis cpu reference cuda",
      DUALPROP_NAMES_BACKEND, "auto", "NAME", "auto, blis (or cpu), reference, cuda" },
    { "level", VALUE_CHOICE, RESUME_FREE, PLACE(level), 0, 0, "auto baseline avx2 avx512", DUALPROP_NAMES_LEVEL, "auto",
      "NAME", "instructions of the CPU at most: auto (all it has), baseline, avx2, avx512; bits differ between them" },
    { "precision", VALUE_CHOICE, RESUME_FIXED, PLACE(precision), 0, 0, "f32 f64 tf32 bf16", -1, "f32", "NAME",
      "f32, f64 (CPU), or f32 with products in tf32 or bf16 (CUDA)" },
    { "threads", VALUE_INTEGER, RESUME_FREE, PLACE(threads), 0, 1024, NULL, -1, "0", "N",
      "0: all the process may use; the bits do not depend on it" },
    { "ranks", VALUE_INTEGER, RESUME_FREE, PLACE(ranks), 1, PEERS_MOST, NULL, -1, NULL, "N",
      "refuse to run in another number of processes" },
    { "patience", VALUE_REAL, RESUME_FREE, PLACE(patience), 0, 1e9, NULL, -1, "600", "S",
      "seconds without word from another process before the run ends; 0: wait for ever" },
    { "checkpoint", VALUE_TEXT, RESUME_FREE, PLACE(checkpoint), 0, 0, NULL, -1, "", "FILE",
      "save here after each epoch and on Ctrl-C, SIGTERM or SIGHUP" },
    { "resume", VALUE_TEXT, RESUME_FREE, PLACE(resume), 0, 0, NULL, -1, "", "FILE",
      "continue from a checkpoint, with its network, rule, optimizer and seed" },
    { "log", VALUE_TEXT, RESUME_FREE, PLACE(log), 0, 0, NULL, -1, "", "FILE",
      "one JSON object per epoch; added to the file when resuming" },
    { "preset", VALUE_TEXT, RESUME_FREE, PLACE(preset), 0, 0, NULL, -1, "", "NAME",
      "the settings of an experiment of the paper; other options override them" },
    { "predict", VALUE_TEXT, RESUME_FREE, PLACE(predict), 0, 0, NULL, -1, "", "FILE",
      "do not train: write the class of each image of FILE (IDX or .npy) on a line; needs --resume" },
    { "export-c", VALUE_TEXT, RESUME_FREE, PLACE(export_c), 0, 0, NULL, -1, "", "DIR",
      "do not train: write the network as C source, DIR/network.h and DIR/network.c; needs --resume" },
    { "quiet", VALUE_FLAG, RESUME_FREE, PLACE(quiet), 0, 0, NULL, -1, "", NULL, "only the last line" },
    { "help", VALUE_FLAG, RESUME_FREE, PLACE(help), 0, 0, NULL, -1, "", NULL, "print this" },
    { "version", VALUE_FLAG, RESUME_FREE, PLACE(version), 0, 0, NULL, -1, "", NULL, "say which library this is" },
};
const int setting_count = (int)(sizeof setting_table / sizeof setting_table[0]);

int setting_find(const char *name)
{
    for (int row = 0; row < setting_count; row++) {
        if (strcmp(setting_table[row].name, name) == 0) return row;
    }
    return -1;
}

static dualprop_status refuse(host *owner, const setting *row, const char *text, const char *expected)
{
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--%s is \"%.80s\"; expected %s", row->name, text,
                     expected);
}

static dualprop_status refuse_number(host *owner, const setting *row, const char *text, const char *kind)
{
    char expected[120];

    const char *format = row->kind == VALUE_INTEGER ? "%s from %.0f to %.0f" : "%s from %.9g to %.9g";
    snprintf(expected, sizeof expected, format, kind, row->least, row->most);
    return refuse(owner, row, text, expected);
}

static dualprop_status read_integer(void *place, host *owner, const setting *row, const char *text)
{
    int64_t value;

    if (!number_integer(&value, text) || (double)value < row->least || (double)value > row->most)
        return refuse_number(owner, row, text, "a whole number");
    memcpy(place, &value, sizeof value);
    return DUALPROP_OK;
}

static dualprop_status read_seed(void *place, host *owner, const setting *row, const char *text)
{
    uint64_t value;

    if (!number_unsigned(&value, text))
        return refuse(owner, row, text, "a whole number from 0 to 18446744073709551615");
    memcpy(place, &value, sizeof value);
    return DUALPROP_OK;
}

static dualprop_status read_real(void *place, host *owner, const setting *row, const char *text)
{
    double value;

    if (!number_real(&value, text) || value < row->least || value > row->most)
        return refuse_number(owner, row, text, "a number");
    memcpy(place, &value, sizeof value);
    return DUALPROP_OK;
}

/* Compare a typed word with one of the table; '_' and '-' are the same. */
static int same_word(const char *typed, size_t typed_length, const char *word, size_t length)
{
    if (typed_length != length) return 0;
    for (size_t i = 0; i < length; i++) {
        if ((typed[i] == '_' ? '-' : typed[i]) != word[i]) return 0;
    }
    return 1;
}

/* The place of a word among words separated by spaces, or -1; *start and *length receive where it stands. */
static int word_place(const char *words, const char *typed, size_t typed_length, const char **start, size_t *length)
{
    int place = 0;

    for (*start = words; **start != '\0'; *start += *length + ((*start)[*length] == ' '), place++) {
        *length = strcspn(*start, " ");
        if (same_word(typed, typed_length, *start, *length)) return place;
    }
    return -1;
}

static dualprop_status refuse_choice(host *owner, const setting *row, const char *text)
{
    char expected[160];

    snprintf(expected, sizeof expected, "one of: %s", row->choices);
    return refuse(owner, row, text, expected);
}

static dualprop_status read_choice(void *place, host *owner, const setting *row, const char *text)
{
    const char *start;
    char word[40];
    size_t length;
    int value = word_place(row->choices, text, strlen(text), &start, &length);

    if (value < 0) return refuse_choice(owner, row, text);
    snprintf(word, sizeof word, "%.*s", (int)length, start);
    if (strcmp(word, "cpu") == 0) strcpy(word, "blis");
    if (row->group >= 0 && dualprop_from_name(&value, row->group, word) != DUALPROP_OK)
        return refuse_choice(owner, row, text);
    memcpy(place, &value, sizeof value);
    return DUALPROP_OK;
}

static dualprop_status refuse_set(host *owner, const setting *row, const char *text)
{
    char expected[160];

    snprintf(expected, sizeof expected, "off, or a list of: %s", row->choices);
    for (char *space = expected + strlen("off, or a list of: "); (space = strchr(space, ' ')) != NULL;) *space = ',';
    return refuse(owner, row, text, expected);
}

static dualprop_status read_set(void *place, host *owner, const setting *row, const char *text)
{
    int bits = 0;
    const char *start;
    size_t length, ignored;

    for (const char *next = text; strcmp(text, "off") != 0; next += length + 1) {
        length = strcspn(next, ",");
        int bit = word_place(row->choices, next, length, &start, &ignored);
        if (bit < 0) return refuse_set(owner, row, text);
        bits |= 1 << bit;
        if (next[length] == '\0') break;
    }
    memcpy(place, &bits, sizeof bits);
    return DUALPROP_OK;
}

static dualprop_status read_size(sizes *list, host *owner, const setting *row, const char *text, const char *part)
{
    int64_t size;

    if (!number_integer(&size, part) || (double)size < row->least || (double)size > row->most ||
        list->count == SETTINGS_LAYERS)
        return refuse(owner, row, text, "1 to 32 whole numbers from 1 to 1000000, separated by commas");
    list->size[list->count++] = size;
    return DUALPROP_OK;
}

static dualprop_status read_sizes(void *place, host *owner, const setting *row, const char *text)
{
    sizes list = { 0 };
    char part[24];
    size_t length;

    for (const char *next = text;; next += length + 1) {
        length = strcspn(next, ",");
        snprintf(part, sizeof part, "%.*s", (int)(length < 23 ? length : 23), next);
        TRY(read_size(&list, owner, row, text, part));
        if (next[length] == '\0') break;
    }
    memcpy(place, &list, sizeof list);
    return DUALPROP_OK;
}

static dualprop_status refuse_numbers(host *owner, const setting *row, const char *text)
{
    char expected[120];

    snprintf(expected, sizeof expected, "1 to %d numbers from %.9g to %.9g, separated by commas", SETTINGS_NUMBERS,
             row->least, row->most);
    return refuse(owner, row, text, expected);
}

static dualprop_status read_numbers(void *place, host *owner, const setting *row, const char *text)
{
    number_list list = { 0 };
    char part[40];
    double value;
    size_t length;

    for (const char *next = text;; next += length + 1) {
        length = strcspn(next, ",");
        snprintf(part, sizeof part, "%.*s", (int)(length < 39 ? length : 39), next);
        if (!number_real(&value, part) || value < row->least || value > row->most || list.count == SETTINGS_NUMBERS)
            return refuse_numbers(owner, row, text);
        list.value[list.count++] = value;
        if (next[length] == '\0') break;
    }
    memcpy(place, &list, sizeof list);
    return DUALPROP_OK;
}

static dualprop_status read_order(void *place, host *owner, const setting *row, const char *text)
{
    layer_order list = { 0 };
    char part[24];
    int64_t layer;
    size_t length;

    for (const char *next = text;; next += length + 1) {
        length = strcspn(next, ",");
        snprintf(part, sizeof part, "%.*s", (int)(length < 23 ? length : 23), next);
        if (!number_integer(&layer, part) || layer < 0 || (double)layer > row->most || list.count == SETTINGS_ORDER)
            return refuse(owner, row, text, "1 to 200 layers, 0 to 1000, separated by commas");
        list.layer[list.count++] = (int32_t)layer;
        if (next[length] == '\0') break;
    }
    memcpy(place, &list, sizeof list);
    return DUALPROP_OK;
}

static dualprop_status read_damping(void *place, host *owner, const setting *row, const char *text)
{
    damping_choice choice = { .formula = DUALPROP_DAMPING_GIVEN };

    if (dualprop_from_name(&choice.formula, DUALPROP_NAMES_DAMPING, text) == DUALPROP_OK &&
        (choice.formula == DUALPROP_DAMPING_HALF || choice.formula == DUALPROP_DAMPING_GAMMA2)) {
        memcpy(place, &choice, sizeof choice);
        return DUALPROP_OK;
    }
    choice.formula = DUALPROP_DAMPING_GIVEN;
    if (read_numbers(&choice.given, owner, row, text) != DUALPROP_OK)
        return refuse(owner, row, text, "half, gamma2, or 1 to 16 numbers >= 0, separated by commas");
    memcpy(place, &choice, sizeof choice);
    return DUALPROP_OK;
}

static dualprop_status read_text(void *place, host *owner, const setting *row, const char *text)
{
    if (*text == '\0') return refuse(owner, row, text, "a name that is not empty");
    memcpy(place, &text, sizeof text);
    return DUALPROP_OK;
}

static dualprop_status read_flag(void *place, host *owner, const setting *row, const char *text)
{
    int on = 1;

    (void)owner, (void)row, (void)text;
    memcpy(place, &on, sizeof on);
    return DUALPROP_OK;
}

dualprop_status setting_read(settings *out, host *owner, int row, const char *text)
{
    static dualprop_status (*const readers[])(void *, host *, const setting *, const char *) = {
        [VALUE_INTEGER] = read_integer, [VALUE_SEED] = read_seed,      [VALUE_REAL] = read_real,
        [VALUE_CHOICE] = read_choice,   [VALUE_SIZES] = read_sizes,    [VALUE_SET] = read_set,
        [VALUE_TEXT] = read_text,       [VALUE_FLAG] = read_flag,      [VALUE_NUMBERS] = read_numbers,
        [VALUE_ORDER] = read_order,     [VALUE_DAMPING] = read_damping
    };
    const setting *entry = &setting_table[row];

    return readers[entry->kind]((char *)out + entry->offset, owner, entry, text);
}

dualprop_status setting_try(host *owner, int row, const char *text)
{
    settings scratch;

    memset(&scratch, 0, sizeof scratch);
    return setting_read(&scratch, owner, row, text);
}

/* The n-th of words separated by spaces. */
static void write_word(char *text, size_t size, const char *words, int place)
{
    while (place-- > 0) words += strcspn(words, " ") + 1;
    snprintf(text, size, "%.*s", (int)strcspn(words, " "), words);
}

static void write_choice(char *text, size_t size, const setting *row, int value)
{
    if (row->group < 0) {
        write_word(text, size, row->choices, value);
    } else {
        const char *name = dualprop_name(row->group, value);
        snprintf(text, size, "%s", name != NULL ? name : "");
    }
}

static void write_sizes(char *text, size_t size, const sizes *list)
{
    size_t used = 0;

    for (int i = 0; i < list->count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%" PRId64 : ",%" PRId64, list->size[i]);
}

/* 15 digits, so that 0.3 is 0.3, or the 17 that it takes where these are another number. */
static void write_real(char *text, size_t size, double value)
{
    snprintf(text, size, "%.15g", value);
    if (strtod(text, NULL) != value) snprintf(text, size, "%.17g", value);
}

static void write_numbers(char *text, size_t size, const number_list *list)
{
    char number[40];
    size_t used = 0;

    for (int i = 0; i < list->count && used < size; i++) {
        write_real(number, sizeof number, list->value[i]);
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%s" : ",%s", number);
    }
}

static void write_order(char *text, size_t size, const layer_order *order)
{
    size_t used = 0;

    for (int i = 0; i < order->count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%d" : ",%d", order->layer[i]);
}

static void write_damping(char *text, size_t size, const damping_choice *damping)
{
    if (damping->formula == DUALPROP_DAMPING_GIVEN) write_numbers(text, size, &damping->given);
    else if (damping->formula != DUALPROP_DAMPING_NONE)
        snprintf(text, size, "%s", dualprop_name(DUALPROP_NAMES_DAMPING, damping->formula));
}

static void write_set(char *text, size_t size, const setting *row, int bits)
{
    char word[40];
    size_t used = 0;

    snprintf(text, size, "off");
    for (int bit = 0; bits >> bit != 0 && used < size; bit++) {
        if ((bits >> bit & 1) == 0) continue;
        write_word(word, sizeof word, row->choices, bit);
        used += (size_t)snprintf(text + used, size - used, used == 0 ? "%s" : ",%s", word);
    }
}

void setting_write(char *text, size_t size, const settings *self, int row)
{
    const setting *entry = &setting_table[row];
    const void *place = (const char *)self + entry->offset;

    text[0] = '\0';
    switch (entry->kind) {
    case VALUE_INTEGER: snprintf(text, size, "%" PRId64, *(const int64_t *)place); break;
    case VALUE_SEED: snprintf(text, size, "%" PRIu64, *(const uint64_t *)place); break;
    case VALUE_REAL: write_real(text, size, *(const double *)place); break;
    case VALUE_CHOICE: write_choice(text, size, entry, *(const int *)place); break;
    case VALUE_SIZES: write_sizes(text, size, place); break;
    case VALUE_NUMBERS: write_numbers(text, size, place); break;
    case VALUE_ORDER: write_order(text, size, place); break;
    case VALUE_DAMPING: write_damping(text, size, place); break;
    case VALUE_SET: write_set(text, size, entry, *(const int *)place); break;
    default: break;
    }
}

static dualprop_status contradiction(host *owner, const char *sentence)
{
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "%s", sentence);
}

static dualprop_status check_rate(const settings *self, host *owner)
{
    if (self->decay_epochs > 0 && self->warmup > self->decay_epochs)
        return host_fail(
            owner, DUALPROP_ERROR_INVALID_ARGUMENT,
            "--warmup %lld contradicts --decay-epochs %lld, which counts the warm-up; expected at most as many",
            (long long)self->warmup, (long long)self->decay_epochs);
    if (self->decay_epochs == 0 && self->warmup > self->epochs)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--warmup %lld contradicts --epochs %lld; expected at most as many", (long long)self->warmup,
                         (long long)self->epochs);
    if ((self->warmup > 0 || self->decay_epochs > 0) && self->min_learning_rate > self->learning_rate)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--min-lr %g contradicts --lr %g; expected at most as much", self->min_learning_rate,
                         self->learning_rate);
    return DUALPROP_OK;
}

static dualprop_status check_diagnostics(const settings *self, host *owner)
{
    if (self->adversarial != ADVERSARIAL_OFF && self->rule != DUALPROP_BP)
        return contradiction(owner, "--adversarial is for back-propagation; expected --rule bp, or --adversarial off");
    if ((self->diagnostics & DIAGNOSE_BREGMAN) != 0 &&
        (self->rule == DUALPROP_BP || self->rule == DUALPROP_LECUN || self->alpha_mismatch > 0))
        return contradiction(
            owner,
            "--diagnostics bregman contradicts --rule bp, --rule lecun and --alpha-mismatch, as the objectives do");
    if ((self->diagnostics & DIAGNOSE_OBJECTIVE) != 0 && self->rule == DUALPROP_BP)
        return contradiction(owner,
                             "--diagnostics objective contradicts --rule bp, which has no objective but its loss");
    if ((self->diagnostics & DIAGNOSE_OBJECTIVE) != 0 && self->rule == DUALPROP_LECUN)
        return contradiction(
            owner, "--diagnostics objective contradicts --rule lecun, whose objective is none of Eq. 1, 12 and 18");
    if ((self->diagnostics & DIAGNOSE_OBJECTIVE) != 0 && self->alpha_mismatch > 0)
        return contradiction(owner, "--diagnostics objective contradicts --alpha-mismatch: with an alpha for each "
                                    "neuron there is no one objective");
    if (self->audit_log != NULL && self->diagnostics == 0)
        return contradiction(owner, "--audit-log needs --diagnostics LIST, what to write into it");
    return DUALPROP_OK;
}

dualprop_status settings_check(const settings *self, host *owner)
{
    TRY(rule_settings_check(self, owner));
    TRY(check_rate(self, owner));
    TRY(check_diagnostics(self, owner));
    if (self->predict != NULL && self->resume == NULL)
        return contradiction(owner, "--predict needs --resume FILE, the checkpoint of the network that predicts");
    if (self->export_c != NULL && self->resume == NULL)
        return contradiction(owner, "--export-c needs --resume FILE, the checkpoint of the network that is written");
    int reads_data = self->predict == NULL && self->export_c == NULL;
    if (reads_data && self->data == NULL && dataset_default_folder(self->dataset) == NULL)
        return contradiction(owner, "--data DIR is missing, the folder of the data set's files; only fashion-mnist is "
                                    "looked for where Debian puts it");
    return DUALPROP_OK;
}

int settings_type(const settings *run)
{
    return run->precision == PRECISION_F64 ? DUALPROP_F64 : DUALPROP_F32;
}

int settings_numerics(const settings *run)
{
    if (run->precision == PRECISION_TF32) return DUALPROP_NUMERICS_TF32;
    return run->precision == PRECISION_BF16 ? DUALPROP_NUMERICS_BF16 : DUALPROP_NUMERICS_STRICT;
}
