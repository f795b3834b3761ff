/*
 * test_attack.c - adversarial images of the example programs: the formulas, the range, and who is fooled.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "common/attack.h"
#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"

/* Two channels of two pixels, four samples, three classes. */
enum { SAMPLES = 4, INPUTS = 4, CLASSES = 3 };
static unsigned char bytes[SAMPLES * INPUTS] = { 0, 255, 10, 200, 90, 30, 255, 0, 128, 127, 5, 250, 77, 66, 55, 44 };
static int32_t labels[SAMPLES] = { 0, 1, 2, 1 };
static const double mean[2] = { 0.25, 0.5 }, deviation[2] = { 0.5, 0.25 };

struct scene {
    host owner;
    settings run;
    dataset data;
    dualprop_context *context;
    dualprop_network *network;
    attack *attack;
};

static void fill_data(dataset *data, int64_t count)
{
    data->train.images = (array){ DUALPROP_U8, 4, { count, 1, 2, 2 }, (uint64_t)(count * INPUTS), bytes };
    data->train.labels = (array){ DUALPROP_I32, 1, { count }, (uint64_t)count, labels };
    data->train.count = count;
    data->test = data->train;
    data->height = 1;
    data->width = 2;
    data->channels = 2;
    data->classes = CLASSES;
    data->mean = mean;
    data->deviation = deviation;
}

static void make_scene(struct scene *scene)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    memset(scene, 0, sizeof *scene);
    host_init(&scene->owner, "test");
    scene->run.loss = DUALPROP_CROSS_ENTROPY;
    fill_data(&scene->data, SAMPLES);
    options.precision = DUALPROP_F64;
    expect_ok(dualprop_context_create(&scene->context, DUALPROP_BACKEND_REFERENCE, &options));
    expect_ok(dualprop_network_create(&scene->network, scene->context, 1, 2, 2));
    expect_ok(dualprop_network_set_input_transform(scene->network, mean, deviation, 2));
    expect_ok(dualprop_network_add_dense(scene->network, 5, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(scene->network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(scene->network, 3));
    expect_ok(attack_create(&scene->attack, &scene->owner, &scene->run, scene->network, &scene->data, SAMPLES));
}

static void destroy_scene(struct scene *scene)
{
    attack_destroy(scene->attack);
    dualprop_network_destroy(scene->network);
    dualprop_context_destroy(scene->context);
}

static batch all_samples(const struct scene *scene)
{
    batch all = { .count = SAMPLES };
    samples_view(&all.images, &all.labels, &scene->data.train, 0, SAMPLES);
    return all;
}

/* The loss of sample b with its pixel i, on the scale of 0 to 1, moved by `by`. */
static double loss_at(const struct scene *scene, int b, int i, double by)
{
    double x[INPUTS], loss;
    dualprop_state *state;
    dualprop_rule *rule;
    for (int j = 0; j < INPUTS; j++)
        x[j] = (bytes[b * INPUTS + j] / 255.0 + (j == i ? by : 0) - mean[j % 2]) / deviation[j % 2];
    dualprop_view input = matrix_view(x, DUALPROP_F64, 1, INPUTS), label = vector_view(labels + b, DUALPROP_I32, 1);
    expect_ok(dualprop_rule_create(&rule, scene->context, DUALPROP_BP));
    expect_ok(dualprop_rule_set_loss(rule, scene->run.loss));
    expect_ok(dualprop_state_create(&state, scene->network, rule, 1));
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, state, &input, &label));
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    return loss;
}

static double slope_at(const struct scene *scene, int b, int i)
{
    return (loss_at(scene, b, i, 1e-5) - loss_at(scene, b, i, -1e-5)) / 2e-5;
}

/* What the attack made of the batch, back on the scale of 0 to 1, less what it was. */
static double moved(const batch *changed, int b, int i)
{
    const double *x = changed->images.data;
    return x[b * INPUTS + i] * deviation[i % 2] + mean[i % 2] - bytes[b * INPUTS + i] / 255.0;
}

/* x + epsilon sign(grad_x) and x + epsilon grad_x in the numbers before mean and deviation, and outside of 0..1 too. */
START_TEST(training_images_follow_the_formulas)
{
    struct scene scene;
    make_scene(&scene);
    batch clean = all_samples(&scene), changed;
    for (int kind = ADVERSARIAL_FGSM; kind <= ADVERSARIAL_RAW; kind++) {
        expect_ok(attack_batch(&changed, scene.attack, &clean, kind, 0.125));
        ck_assert_int_eq(changed.count, SAMPLES);
        for (int b = 0; b < SAMPLES; b++)
            for (int i = 0; i < INPUTS; i++) {
                double slope = slope_at(&scene, b, i);
                double expected = 0.125 * (kind == ADVERSARIAL_FGSM ? copysign(1, slope) : slope);
                ck_assert_double_eq_tol(moved(&changed, b, i), expected, 1e-9);
            }
    }
    destroy_scene(&scene);
}
END_TEST

/* Labels and batch stay what they were, and epsilon 0 gives the images the network would have seen. */
START_TEST(epsilon_0_changes_nothing)
{
    struct scene scene;
    make_scene(&scene);
    batch clean = all_samples(&scene), changed;
    expect_ok(attack_batch(&changed, scene.attack, &clean, ADVERSARIAL_FGSM, 0));
    for (int b = 0; b < SAMPLES; b++)
        for (int i = 0; i < INPUTS; i++) {
            double x = (bytes[b * INPUTS + i] / 255.0 - mean[i % 2]) / deviation[i % 2];
            ck_assert(((const double *)changed.images.data)[b * INPUTS + i] == x);
        }
    ck_assert(changed.labels.data == labels);
    destroy_scene(&scene);
}
END_TEST

/*
 * A network whose two outputs are 0.9 - x and x, by squared error. At x = 0 with class 0 the loss rises with x, and the
 * answer turns where x passes 0.45. At x = 1 with class 1 the loss rises with x too, but there the range ends.
 */
static void make_line(struct scene *scene, double pixels[2])
{
    static double weight[2] = { -1, 1 }, bias[2] = { 0.9, 0 };
    static int32_t classes[2] = { 0, 1 };
    dualprop_view weights = matrix_view(weight, DUALPROP_F64, 1, 2), biases = vector_view(bias, DUALPROP_F64, 2);
    memset(scene, 0, sizeof *scene);
    host_init(&scene->owner, "test");
    scene->data.train.images = (array){ DUALPROP_F64, 2, { 2, 1 }, 2, pixels };
    scene->data.train.labels = (array){ DUALPROP_I32, 1, { 2 }, 2, classes };
    scene->data.train.count = 2;
    scene->data.test = scene->data.train;
    scene->data.height = scene->data.width = scene->data.channels = 1;
    scene->data.classes = 2;
    expect_ok(dualprop_context_create(&scene->context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_network_create(&scene->network, scene->context, 1, 1, 1));
    expect_ok(dualprop_network_add_dense(scene->network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_write(scene->network, "layer1.weight", &weights));
    expect_ok(dualprop_network_write(scene->network, "layer1.bias", &biases));
    expect_ok(attack_create(&scene->attack, &scene->owner, &scene->run, scene->network, &scene->data, 1));
}

START_TEST(attacks_stay_in_the_range)
{
    struct scene scene;
    double pixels[2] = { 0, 1 };
    int64_t correct;
    make_line(&scene, pixels);
    for (int kind = 0; kind < ATTACK_KINDS; kind++) {
        expect_ok(attack_test(&correct, scene.attack, &scene.data.test, kind, 0.4));
        ck_assert_int_eq(correct, 2);
        expect_ok(attack_test(&correct, scene.attack, &scene.data.test, kind, 0.5));
        ck_assert_int_eq(correct, 1);
        expect_ok(attack_test(&correct, scene.attack, &scene.data.test, kind, 1000));
        ck_assert_int_eq(correct, 1);
        expect_ok(attack_test(&correct, scene.attack, &scene.data.test, kind, 0));
        ck_assert_int_eq(correct, 2);
    }
    ck_assert(pixels[0] == 0 && pixels[1] == 1);
    destroy_scene(&scene);
}
END_TEST

START_TEST(creation_fails_cleanly_at_each_allocation)
{
    struct scene scene;
    double pixels[2] = { 0, 1 };
    failing_allocator allocator = { .fail_at = 0 };
    attack *made = NULL;
    dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
    long at = 0;
    make_line(&scene, pixels);
    scene.owner.allocator = failing_allocator_table(&allocator);
    while (status == DUALPROP_ERROR_NO_MEMORY && at < 50) {
        failing_allocator_arm(&allocator, ++at, 0);
        status = attack_create(&made, &scene.owner, &scene.run, scene.network, &scene.data, 1);
        if (status != DUALPROP_OK) ck_assert_int_eq(atomic_load(&allocator.live_blocks), 0);
    }
    ck_assert_int_eq(status, DUALPROP_OK);
    ck_assert_int_eq(at, 5);
    attack_destroy(made);
    ck_assert_int_eq(atomic_load(&allocator.live_blocks), 0);
    host_init(&scene.owner, "test");
    destroy_scene(&scene);
}
END_TEST

Suite *test_attack_suite(void);
Suite *test_attack_suite(void)
{
    Suite *suite = suite_create("attack");
    TCase *tests = tcase_create("attack");
    tcase_add_test(tests, training_images_follow_the_formulas);
    tcase_add_test(tests, epsilon_0_changes_nothing);
    tcase_add_test(tests, attacks_stay_in_the_range);
    tcase_add_test(tests, creation_fails_cleanly_at_each_allocation);
    suite_add_tcase(suite, tests);
    return suite;
}
