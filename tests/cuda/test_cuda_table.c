/*
 * test_cuda_table.c - the kernel table of test_backend.c on the CUDA module.
 *
 * The arrays of the table are the tests' own, so the stand-ins let pointers lead anywhere; on a real device they are
 * managed memory, which both sides can reach (guard.c).
 */
#define DUALPROP_TEST_SUBJECTS 1
#define test_backend_suite dualprop_test_table_suite
#include "backend/test_backend.c"
#undef test_backend_suite

#include "cuda_test.h"

static void be_lenient(void)
{
    standin_state *standin = cuda_standin();
    if (standin) standin->lenient = 1;
}

static void be_clean(void)
{
    cuda_check_clean(0);
}

Suite *test_cuda_table_suite(void)
{
    subjects[0] = (struct subject){ cuda_table(), DUALPROP_F32, DUALPROP_LEVEL_AUTO, "cuda f32" };
    Suite *suite = suite_create("cuda table");
    TCase *table = tcase_create("table"), *rest = tcase_create("rest");
    tcase_add_checked_fixture(table, be_lenient, be_clean);
    tcase_add_checked_fixture(rest, be_lenient, be_clean);
    tcase_add_loop_test(table, kernel_agrees_with_the_reference, 0, COUNT_OF(kernels));
    tcase_add_loop_test(rest, fused_step_has_the_bits_of_the_separate_one, 0, SUBJECTS);
    tcase_add_loop_test(rest, fused_convolution_step_has_the_bits_of_the_separate_one, 0, SUBJECTS);
    tcase_add_loop_test(rest, convolution_weights_come_back_as_they_were_written, 0, SUBJECTS);
    tcase_add_loop_test(rest, convolutions_by_hand, 0, SUBJECTS);
    tcase_add_loop_test(rest, weights_come_back_as_they_were_written, 0, SUBJECTS);
    tcase_add_loop_test(rest, products_by_hand, 0, SUBJECTS);
    tcase_add_loop_test(rest, memory_is_the_hosts, 0, SUBJECTS);
    tcase_add_loop_test(rest, no_memory_is_a_status, 0, SUBJECTS);
    suite_add_tcase(suite, table);
    suite_add_tcase(suite, rest);
    return suite;
}
