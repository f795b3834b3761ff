/*
 * test_json.c - the reader and the writer of JSON: what RFC 8259 allows is read, what it does not is refused with its
 * place, and numbers and texts come back as they were, in every locale and mode of rounding.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoint/json_text.h"
#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/failing_system.h"
#include "support/traps.h"

/* ---- reading ---- */

/* The bytes of exactly their length, so that a sanitizer sees a read past their end. */
static dualprop__json begin(char **exact, const char *text, size_t length)
{
    *exact = malloc(length > 0 ? length : 1);
    ck_assert_ptr_nonnull(*exact);
    memcpy(*exact, text, length);
    return dualprop__json_of(NULL, "here", "text", *exact, length);
}

/* Whole texts: the word of the refusal, or NULL if it is JSON. */
static const struct {
    const char *text, *word;
    /* clang-format off */
} texts[] = {
    { "{}", NULL }, { " \t\r\n{ } ", NULL }, { "[]", NULL }, { "[1,2]", NULL }, { "[ 1 , [ ] , { } ]", NULL },
    { "{\"a\":null,\"b\":true,\"c\":false}", NULL }, { "[[[[1]]]]", NULL }, { "[\"\",\"\\\"\",\"\\\\\"]", NULL },
    { "[0,-0,10,-10,0.5,1e5,1E5,1e+5,1e-05,1.25e10]", NULL },
    { "", "expected a value" }, { " ", "expected a value" }, { "[", "expected a value" },
    { "[1", "expected a value" }, { "[1 ", "expected ','" }, { "[1,", "expected a value" },
    { "[1,]", "expected a value" },
    { "[,1]", "expected a value" }, { "[1 2]", "expected ','" }, { "[1}", "expected ','" },
    { "[1]]", "expected nothing" },
    { "{", "expected a name" }, { "{\"a\"", "expected ':'" }, { "{\"a\":", "expected a value" },
    { "{\"a\" 1}", "expected ':'" }, { "{a:1}", "expected a name" }, { "{1:1}", "expected a name" },
    { "{\"a\":1,}", "expected a name" }, { "{\"a\":1 \"b\":2}", "expected ','" }, { "{\"a\":1]", "expected ','" },
    { "{\"a\":}", "expected a value" }, { "{}{}", "expected nothing" }, { "{\"a", "does not end" },
    { "{\"a\\", "does not end" }, { "[\"\\\"]", "does not end" }, { "[\"a\nb\"]", "control byte" },
    { "[[[[[1]]]]]", "nested more than 4" }, { "{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}", "nested more than 4" },
    { "[tru]", "expected a value" }, { "[nul", "expected a value" }, { "[fals]", "expected a value" },
    { "[True]", "expected a value" }, { "[NaN]", "expected a value" }, { "[Infinity]", "expected a value" },
    { "['a']", "expected a value" }, { "[//\n1]", "expected a value" },
    { "[01]", "expected a value" }, { "[-]", "expected a value" }, { "[-01]", "expected a value" },
    { "[+1]", "expected a value" }, { "[.5]", "expected a value" }, { "[1.]", "expected a value" },
    { "[1.e5]", "expected a value" }, { "[1e]", "expected a value" }, { "[1e+]", "expected a value" },
    { "[1e-]", "expected a value" }, { "[1.5.5]", "expected a value" }, { "[1e5e5]", "expected a value" },
    { "[0x10]", "expected ','" }, { "[1-1]", "expected a value" }, { "[1e", "expected a value" },
    { "[1.", "expected a value" }, { "[-", "expected a value" }, { "[1.5", "expected a value" },
    /* clang-format on */
};

START_TEST(texts_are_read_or_refused)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *exact, sentence[256];
        dualprop__json json = begin(&exact, texts[i].text, strlen(texts[i].text));
        dualprop_status status = dualprop__json_skip(&json);
        if (status == DUALPROP_OK) status = dualprop__json_finish(&json);
        ck_assert_msg((status == DUALPROP_OK) == !texts[i].word, "%s: %s", texts[i].text, dualprop_status_name(status));
        free(exact);
        if (!texts[i].word) continue;
        expect_ok(dualprop_last_error(sentence, sizeof sentence, NULL, NULL));
        ck_assert_int_eq(status, DUALPROP_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(sentence, "here: the text is "));
        ck_assert_msg(strstr(sentence, texts[i].word) != NULL, "%s: %s", texts[i].text, sentence);
    }
}
END_TEST

/* What stands between quotes, and what it means; NULL: it is refused. */
static const struct {
    const char *text, *meaning;
    /* clang-format off */
} strings[] = {
    { "", "" }, { "abc", "abc" }, { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
    { "\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac" }, { "\\uD83D\\ude00", "\xf0\x9f\x98\x80" },
    { "\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
    { "\\ud800\\udc00\\udbff\\udfff", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" }, { "\xc3\xa9", "\xc3\xa9" },
    { "\\a", NULL }, { "\\U0041", NULL }, { "\\u", NULL }, { "\\u12", NULL }, { "\\u123g", NULL }, { "\\u12 4", NULL },
    { "\\u0000", NULL }, { "\\ud800", NULL }, { "\\ud800x", NULL }, { "\\ud800\\n1234", NULL },
    { "\\ud800\\u12", NULL },
    { "\\ud800\\u0041", NULL }, { "\\ud800\\ue000", NULL }, { "\\udc00", NULL }, { "\\udfff", NULL },
    { "\\ud800xu1234", NULL }, { "\xff", NULL }, { "\xc3", NULL }, { "\xe2\x82", NULL }, { "\xed\xa0\x80", NULL },
    /* clang-format on */
};

static void check_string(const char *text, size_t length, const char *meaning)
{
    char *exact, to[64], whole[64];
    size_t found_length;
    const char *found;
    memcpy(whole + 1, text, length);
    whole[0] = whole[length + 1] = '"';
    dualprop__json json = begin(&exact, whole, length + 2);
    expect_ok(dualprop__json_string(&json, &found, &found_length));
    ck_assert_uint_eq(found_length, length);
    dualprop_status status = dualprop__json_decode(to, sizeof to, &json, found, found_length);
    ck_assert_msg(status == (meaning ? DUALPROP_OK : DUALPROP_ERROR_FORMAT), "%s: %s", text,
                  dualprop_status_name(status));
    if (meaning) ck_assert_str_eq(to, meaning);
    /* In place, where what is written must not catch up with what is read. */
    if (meaning) expect_ok(dualprop__json_decode(exact + 1, length + 1, &json, found, found_length));
    if (meaning) ck_assert_str_eq(exact + 1, meaning);
    /* A buffer that is one byte too small. */
    if (meaning && *meaning && !strchr(meaning, '\\'))
        expect_error(dualprop__json_decode(to, strlen(meaning), &json, meaning, strlen(meaning)), DUALPROP_ERROR_FORMAT,
                     "too long");
    free(exact);
}

START_TEST(escapes_are_decoded)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        check_string(strings[i].text, strlen(strings[i].text), strings[i].meaning);
    check_string("\\\0", 2, NULL);
}
END_TEST

/* Values as a setter would get them: text, whole number (or INT64_MIN), and real (or NAN if it is refused). */
static const struct {
    const char *text;
    int64_t whole;
    double real;
    /* clang-format off */
} numbers[] = {
    { "0]", 0, 0 }, { "-5,", -5, -5 }, { " 12}", 12, 12 }, { "9223372036854775807 ", INT64_MAX, 9223372036854775807.0 },
    { "9223372036854775808]", INT64_MIN, 9223372036854775808.0 },
    { "-9223372036854775809]", INT64_MIN, -9223372036854775808.0 }, { "1.0]", INT64_MIN, 1 },
    { "1e3]", INT64_MIN, 1000 },
    { "0.1]", INT64_MIN, 0.1 }, { "1e-400]", INT64_MIN, 0 }, { "1e400]", INT64_MIN, NAN },
    { "-1e400]", INT64_MIN, NAN },
    { "x]", INT64_MIN, NAN }, { "\"1\"]", INT64_MIN, NAN }, { "true]", INT64_MIN, NAN }, { "1", INT64_MIN, NAN },
    { "4.9e-324]", INT64_MIN, 4.9e-324 }, { "1.7976931348623157e308]", INT64_MIN, DBL_MAX },
    /* clang-format on */
};

START_TEST(numbers_are_read_or_refused)
{
    traps_set(1);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *exact;
        int64_t whole = 7;
        double real = 7;
        dualprop__json json = begin(&exact, numbers[i].text, strlen(numbers[i].text)), again = json;
        dualprop_status status = dualprop__json_integer(&json, &whole);
        ck_assert_msg(status == (numbers[i].whole == INT64_MIN ? DUALPROP_ERROR_FORMAT : DUALPROP_OK), "%s",
                      numbers[i].text);
        ck_assert_msg(whole == (status == DUALPROP_OK ? numbers[i].whole : 7), "%s", numbers[i].text);
        status = dualprop__json_real(&again, &real);
        ck_assert_msg(status == (isnan(numbers[i].real) ? DUALPROP_ERROR_FORMAT : DUALPROP_OK), "%s", numbers[i].text);
        ck_assert_msg(real == (status == DUALPROP_OK ? numbers[i].real : 7), "%s", numbers[i].text);
        free(exact);
    }
    traps_set(0);
}
END_TEST

START_TEST(words_are_true_or_false)
{
    static const char *const words[] = { "true]", " false]", "tru]", "null]", "", "fals" };
    for (int i = 0; i < 6; i++) {
        char *exact;
        int value = 7;
        dualprop__json json = begin(&exact, words[i], strlen(words[i]));
        dualprop_status status = dualprop__json_boolean(&json, &value);
        ck_assert_msg((status == DUALPROP_OK) == (i < 2), "%s", words[i]);
        if (i < 2) ck_assert_int_eq(value, i == 0);
        free(exact);
    }
}
END_TEST

/* ---- members ---- */

static const struct {
    const char *text, *word; /* of the refusal */
    /* clang-format off */
} objects[] = {
    { "{\"name\":\"x\",\"pair\":[1,2],\"one\":3,\"rate\":0.5,\"flag\":true,\"any\":[{}]}", NULL },
    { "{\"flag\":false,\"any\":1,\"rate\":1,\"one\":3,\"pair\":[1,2],\"n\\u0061me\":\"x\"}", NULL },
    { "[]", "expected '{'" }, { "{", "expected a name" }, { "{\"pair\":[1,2]}", "member name is missing" },
    { "{\"other\":1}", "member other is unknown" }, { "{\"a\\u0007b\":1}", "member a?b is unknown" },
    { "{\"name\":\"x\",\"name\":\"x\"}", "member name occurs twice" }, { "{\"\\x\":1}", "unknown escape" },
    { "{\"name\":1}", "expected a text" }, { "{\"name\":\"\\x\"}", "unknown escape" },
    { "{\"name\" 1}", "expected ':'" },
    { "{\"0123456789012345678901234567890123456789012345678901234567890123456789\":1}", "too long" },
    { "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", "too long" },
    { "{\"pair\":1}", "expected '['" }, { "{\"pair\":[1]}", "list that is too short" },
    { "{\"pair\":[]}", "list that is too short" }, { "{\"pair\":[1,2,3]}", "list that is too long" },
    { "{\"pair\":[1 2]}", "expected ','" }, { "{\"pair\":[1,x]}", "expected a whole number" },
    { "{\"pair\":[1,2}", "list that is too long" }, { "{\"one\":1.5}", "expected a whole number" },
    { "{\"rate\":\"1\"}", "expected a number" }, { "{\"flag\":1}", "expected true or false" },
    { "{\"any\":}", "expected a value" }, { "{\"name\":\"x\" \"one\":1}", "expected ','" },
    /* clang-format on */
};

static dualprop_status read_object(dualprop__json *json)
{
    char name[DUALPROP__JSON_WORD] = "";
    int64_t pair[2] = { 0, 0 }, one = 0, none = 9;
    double rate = 0;
    int flag = 7;
    dualprop__json any = { NULL };
    const dualprop__json_member members[] = {
        { "name", DUALPROP__JSON_TEXT, name, 0, 0 },     { "pair", DUALPROP__JSON_INTEGER, pair, 2, 0 },
        { "one", DUALPROP__JSON_INTEGER, &one, 0, 0 },   { "rate", DUALPROP__JSON_REAL, &rate, 0, 0 },
        { "flag", DUALPROP__JSON_BOOLEAN, &flag, 0, 0 }, { "any", DUALPROP__JSON_VALUE, &any, 0, 0 },
        { "none", DUALPROP__JSON_INTEGER, &none, 0, 1 },
    };
    dualprop_status status = dualprop__json_members(json, members, 7);
    if (status != DUALPROP_OK) return status;
    ck_assert_str_eq(name, "x");
    ck_assert(pair[0] == 1 && pair[1] == 2 && one == 3 && none == 9 && rate > 0 && (flag == 0 || flag == 1));
    ck_assert_ptr_nonnull(any.at);
    return dualprop__json_finish(json);
}

START_TEST(members_are_all_there_once)
{
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        char *exact;
        dualprop__json json = begin(&exact, objects[i].text, strlen(objects[i].text));
        if (objects[i].word) expect_error(read_object(&json), DUALPROP_ERROR_FORMAT, objects[i].word);
        else expect_ok(read_object(&json));
        free(exact);
    }
}
END_TEST

/* ---- writing ---- */

static void check_real(dualprop_context *context, double value, const char *expected)
{
    double again = 0;
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, context, 0);
    dualprop__json_bracket(&writer, '[');
    dualprop__json_put_real(&writer, value);
    dualprop__json_bracket(&writer, ']');
    expect_ok(writer.status);
    if (expected) ck_assert_str_eq(writer.text, expected);
    dualprop__json json = dualprop__json_of(context, "here", "text", writer.text + 1, writer.length - 1);
    expect_ok(dualprop__json_real(&json, &again));
    ck_assert_msg(memcmp(&again, &value, sizeof again) == 0, "%.17g becomes %.17g", value, again);
    dualprop__release(context, writer.text);
}

START_TEST(every_real_comes_back)
{
    dualprop_context *context;
    uint64_t bits = 0x9e3779b97f4a7c15;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    check_real(context, 0.0, "[0.0]");
    check_real(context, -0.0, "[-0.0]");
    check_real(context, 1, "[1.0]");
    check_real(context, -2.5, "[-2.5]");
    check_real(context, 1e5, "[100000.0]");
    check_real(context, 1e22, "[1e22]");
    check_real(context, 1e-7, "[9.9999999999999995e-8]");
    check_real(context, 1e300, "[1.0000000000000001e300]");
    check_real(context, DBL_MAX, NULL);
    check_real(context, DBL_MIN, NULL);
    check_real(context, 4.9e-324, NULL);
    for (int i = 0; i < 20000; i++) {
        double value;
        bits = bits * 6364136223846793005 + 1442695040888963407;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) check_real(context, value, NULL);
    }
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(texts_are_written_so_that_they_come_back)
{
    char text[300], *exact, decoded[300];
    size_t length = 0, found;
    const char *at;
    dualprop_context *context;
    dualprop__json_writer writer;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    for (int byte = 1; byte < 0x80; byte++) text[length++] = (char)byte;
    strcpy(text + length, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    dualprop__json_begin(&writer, context, 0);
    dualprop__json_put_text(&writer, text);
    expect_ok(writer.status);
    dualprop__json json = begin(&exact, writer.text, writer.length);
    expect_ok(dualprop__json_string(&json, &at, &found));
    expect_ok(dualprop__json_decode(decoded, sizeof decoded, &json, at, found));
    ck_assert_str_eq(decoded, text);
    expect_ok(dualprop__json_finish(&json));
    free(exact);
    dualprop__release(context, writer.text);
    dualprop_context_destroy(context);
}
END_TEST

/* Lists, objects and words with the commas where they belong. */
static void write_all(dualprop__json_writer *writer, dualprop_context *context)
{
    dualprop__json_begin(writer, context, 8);
    dualprop__json_bracket(writer, '{');
    dualprop__json_put_key(writer, "a");
    dualprop__json_bracket(writer, '[');
    dualprop__json_bracket(writer, '[');
    dualprop__json_bracket(writer, ']');
    dualprop__json_put_integer(writer, INT64_MIN);
    dualprop__json_put_real(writer, 0.5);
    dualprop__json_put_word(writer, "null");
    dualprop__json_put_text(writer, "\"");
    dualprop__json_bracket(writer, ']');
    dualprop__json_put_key(writer, "b");
    dualprop__json_put_integer(writer, 1);
    dualprop__json_bracket(writer, '}');
    for (int i = 0; i < 200; i++) dualprop__json_put_space(writer);
}

START_TEST(memory_that_runs_out_is_a_status)
{
    static const char expected[] = "{\"a\":[[],-9223372036854775808,0.5,null,\"\\\"\"],\"b\":1} ";
    failing_allocator memory = { 0 };
    dualprop_allocator table = failing_allocator_table(&memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop__json_writer writer;
    options.allocator = &table;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    for (long at = 1, fails = 1; fails; at++) {
        failing_allocator_arm(&memory, at, 0);
        write_all(&writer, context);
        fails = memory.failures;
        ck_assert_int_eq(writer.status, fails ? DUALPROP_ERROR_NO_MEMORY : DUALPROP_OK);
        if (!fails) ck_assert(memcmp(writer.text + 8, expected, sizeof expected - 1) == 0);
        dualprop__release(context, writer.text);
    }
    failing_allocator_arm(&memory, 0, 0);
    dualprop_context_destroy(context);
    ck_assert_int_eq(memory.live_blocks, 0);
}
END_TEST

START_TEST(sizes_that_wrap_are_no_memory)
{
    static const size_t sizes[] = { SIZE_MAX,      SIZE_MAX - 1, SIZE_MAX - 63,
                                    SIZE_MAX - 64, SIZE_MAX / 2, SIZE_MAX / 2 - 64 };
    dualprop_context *context;
    dualprop__json_writer writer;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        dualprop__json_begin(&writer, context, sizes[i]);
        dualprop__json_put_integer(&writer, 1);
        ck_assert_int_eq(writer.status, DUALPROP_ERROR_NO_MEMORY);
        ck_assert_ptr_null(writer.text);
    }
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(no_memory_for_a_locale_is_a_status)
{
    dualprop_context *context;
    dualprop__json_writer writer;
    double real = 7;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    failing_system = FAILING_LOCALE;
    dualprop__json_begin(&writer, context, 0);
    dualprop__json_put_real(&writer, 1);
    ck_assert_int_eq(writer.status, DUALPROP_ERROR_NO_MEMORY);
    dualprop__json json = dualprop__json_of(context, "here", "text", "1.5]", 4);
    expect_error(dualprop__json_real(&json, &real), DUALPROP_ERROR_NO_MEMORY, "out of memory");
    failing_system = 0;
    expect_ok(dualprop__json_real(&json, &real));
    ck_assert(real == 1.5);
    dualprop__release(context, writer.text);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_json_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_add_test(tests, texts_are_read_or_refused);
    tcase_add_test(tests, escapes_are_decoded);
    tcase_add_test(tests, numbers_are_read_or_refused);
    tcase_add_test(tests, words_are_true_or_false);
    tcase_add_test(tests, members_are_all_there_once);
    tcase_add_test(tests, every_real_comes_back);
    tcase_add_test(tests, texts_are_written_so_that_they_come_back);
    tcase_add_test(tests, memory_that_runs_out_is_a_status);
    tcase_add_test(tests, sizes_that_wrap_are_no_memory);
    tcase_add_test(tests, no_memory_for_a_locale_is_a_status);
    suite_add_tcase(suite, tests);
    return suite;
}
