/*
 * command_line.c - getopt_long() over the table of options.
 */
#include "command_line.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "launch.h"
#include "peers.h"
#include "program.h"
#include "rule_settings.h"

/* The program's part of the table as getopt_long() wants it; val is 256 more than the row, since characters are
 * below. */
static void make_long_options(struct option *options, const program *self)
{
    memset(options, 0, sizeof *options * COMMAND_ROWS);
    for (int row = 0; row < setting_count; row++) {
        if (!program_has(self, row)) continue;
        options->name = setting_table[row].name;
        options->has_arg = setting_table[row].kind == VALUE_FLAG ? no_argument : required_argument;
        options->val = row + 256;
        options++;
    }
}

static dualprop_status refuse_unknown(host *owner, const char *word)
{
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "unknown option %.80s; --help lists the options", word);
}

/* getopt_long() takes abbreviations, which would change their meaning when options are added. */
static int is_whole_name(const char *word, int row)
{
    const char *name = setting_table[row].name;
    size_t length = strlen(name);

    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, length) == 0 &&
           (word[2 + length] == '\0' || word[2 + length] == '=');
}

/* The last of several values counts, but none may be wrong. */
static dualprop_status check_repeated(const command_line *out, host *owner, int row)
{
    return out->text[row] != NULL ? setting_try(owner, row, out->text[row]) : DUALPROP_OK;
}

static dualprop_status take_option(command_line *out, host *owner, int found, const char *word)
{
    int row = found - 256;

    if (found == ':') return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "option %.80s needs a value", word);
    if (found < 256 || !is_whole_name(word, row)) {
        const char *equals = strchr(word, '=');
        int is_flag = equals != NULL && optopt >= 256 && setting_table[optopt - 256].kind == VALUE_FLAG;
        if (is_flag) return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "option %.80s takes no value", word);
        return refuse_unknown(owner, word);
    }
    TRY(check_repeated(out, owner, row));
    out->text[row] = optarg != NULL ? optarg : "";
    return DUALPROP_OK;
}

static dualprop_status read_words(command_line *out, host *owner, const program *self, int argc, char **argv)
{
    struct option options[COMMAND_ROWS];
    int found;

    make_long_options(options, self);
    opterr = 0;
    optind = 1;
    for (;;) {
        const char *word = optind < argc ? argv[optind] : "";
        optopt = 0;
        found = getopt_long(argc, argv, "+:", options, NULL);
        if (found == -1) break;
        TRY(take_option(out, owner, found, word));
    }
    if (optind < argc)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "unexpected argument \"%.80s\"; expected options only",
                         argv[optind]);
    return DUALPROP_OK;
}

/* One "option=value" of a preset, unless the command line has the option. */
static void take_entry(command_line *out, const char *entry)
{
    char name[40];
    size_t length = strcspn(entry, "=");

    snprintf(name, sizeof name, "%.*s", (int)length, entry);
    int row = setting_find(name);
    if (row >= 0 && out->text[row] == NULL) out->text[row] = entry + length + 1;
}

static const preset *find_preset(const program *self, const char *name)
{
    const preset *found = self->presets;

    while (found->name != NULL && strcmp(found->name, name) != 0) found++;
    return found->name != NULL ? found : NULL;
}

static dualprop_status apply_preset(command_line *out, host *owner, const program *self)
{
    const char *name = out->text[setting_find("preset")];

    if (name == NULL) return DUALPROP_OK;
    const preset *found = find_preset(self, name);
    if (found == NULL)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--preset is \"%.80s\"; expected a name that --help lists", name);
    for (int i = 0; found->own[i] != NULL; i++) take_entry(out, found->own[i]);
    for (int i = 0; found->shared[i] != NULL; i++) take_entry(out, found->shared[i]);
    return DUALPROP_OK;
}

dualprop_status command_line_read(command_line *out, host *owner, const program *self, int argc, char **argv)
{
    memset(out, 0, sizeof *out);
    TRY(read_words(out, owner, self, argc, argv));
    return apply_preset(out, owner, self);
}

/* What the checkpoint says of a row: a text, or NULL if the row is not its business or it says nothing. */
static const char *stored_text(const json_t *stored, int row)
{
    if (stored == NULL || setting_table[row].resume == RESUME_FREE) return NULL;
    return json_string_value(json_object_get(stored, setting_table[row].name));
}

static dualprop_status read_stored(settings *out, host *owner, int row, const char *text)
{
    char sentence[MESSAGE_BYTES];

    if (setting_read(out, owner, row, text) == DUALPROP_OK) return DUALPROP_OK;
    snprintf(sentence, sizeof sentence, "%s", owner->message);
    return host_fail(owner, DUALPROP_ERROR_FORMAT, "the settings in it are not valid: %s", sentence);
}

/* A value on the command line against the checkpoint's: both are read, then compared as they would be written. */
static dualprop_status check_agreement(const settings *given, host *owner, int row, const char *stored)
{
    static settings from_file; /* with its lists too large for the frame */
    char here[SETTING_TEXT], there[SETTING_TEXT];

    memset(&from_file, 0, sizeof from_file);
    TRY(read_stored(&from_file, owner, row, stored));
    setting_write(here, sizeof here, given, row);
    setting_write(there, sizeof there, &from_file, row);
    if (strcmp(here, there) == 0) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s %s contradicts the checkpoint of --resume, which was created with %s",
                     setting_table[row].name, here, there);
}

/* The same where the checkpoint says nothing of the option: it was made with the default, or without. */
static dualprop_status check_silence(const settings *given, host *owner, int row)
{
    const char *initial = program_default(given->program, row);
    char here[SETTING_TEXT];

    if (initial != NULL && *initial != '\0') return check_agreement(given, owner, row, initial);
    setting_write(here, sizeof here, given, row);
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s %s contradicts the checkpoint of --resume, which was created without",
                     setting_table[row].name, here);
}

static dualprop_status settle_given(settings *out, host *owner, int row, const char *given, const char *stored,
                                    int resuming)
{
    TRY(setting_read(out, owner, row, given));
    if (!resuming || setting_table[row].resume != RESUME_FIXED) return DUALPROP_OK;
    return stored != NULL ? check_agreement(out, owner, row, stored) : check_silence(out, owner, row);
}

static dualprop_status settle_row(settings *out, host *owner, int row, const char *given, const char *stored,
                                  int resuming)
{
    if (given != NULL) return settle_given(out, owner, row, given, stored, resuming);
    if (stored != NULL) return read_stored(out, owner, row, stored);
    const char *initial = program_default(out->program, row);
    return initial != NULL && *initial != '\0' ? setting_read(out, owner, row, initial) : DUALPROP_OK;
}

/* All that may have decided about an option. */
typedef struct sources {
    const program *program;
    const command_line *given;
    const json_t *stored;
} sources;

static int is_said(const void *context, const char *option)
{
    const sources *from = context;
    int row = setting_find(option);
    const char *initial = program_default(from->program, row);

    return from->given->text[row] != NULL || stored_text(from->stored, row) != NULL ||
           (initial != NULL && *initial != '\0');
}

/* The same, where the table's or the program's default counts as unsaid. */
static int is_said_in(const sources *from, const char *option)
{
    int row = setting_find(option);

    return from->given->text[row] != NULL || stored_text(from->stored, row) != NULL;
}

/* The defaults that depend on another option. */
static dualprop_status complete_blocks(settings *out, host *owner, const sources *from)
{
    if (!is_said_in(from, "blocks") && owner->size > 1) {
        if (from->stored != NULL)
            return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                             "the checkpoint of --resume was written without blocks; expected one process, or --blocks "
                             "%d, with which the bits will differ",
                             owner->size);
        out->blocks = owner->size;
    }
    if (owner->size > 1 && out->blocks < owner->size)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--blocks is %lld and there are %d processes; expected a block for each at least",
                         (long long)out->blocks, owner->size);
    return DUALPROP_OK;
}

/* What is about the processes of a run. */
static dualprop_status complete_processes(settings *out, host *owner, const sources *from)
{
    if (out->ranks > 1 && owner->size == 1)
        return host_fail(
            owner, DUALPROP_ERROR_INVALID_ARGUMENT,
            "--ranks is %lld, but this process is alone: was the program started by the mpirun of another MPI?",
            (long long)out->ranks);
    if (out->ranks > 0 && out->ranks != owner->size)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--ranks is %lld, but there are %d processes",
                         (long long)out->ranks, owner->size);
    TRY(complete_blocks(out, owner, from));
    if (owner->size == 1) return DUALPROP_OK;
    if (from->given->text[setting_find("threads")] == NULL) out->threads = 1;
    else if (out->threads == 0) out->threads = peers_threads(owner);
    const char *alone = out->diagnostics != 0                 ? "diagnostics"
                        : out->adversarial != ADVERSARIAL_OFF ? "adversarial"
                        : out->attack.count > 0               ? "attack"
                        : out->predict != NULL                ? "predict"
                        : out->start != START_FEED_FORWARD    ? "start"
                        : out->updates > 1                    ? "updates"
                                                              : NULL;
    if (alone == NULL) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s needs the whole batch in one process, and there are %d", alone, owner->size);
}

static void complete(settings *out, const sources *from)
{
    if (!is_said(from, "lr")) out->learning_rate = out->optimizer == DUALPROP_SGD ? 0.025 : 0.001;
    if (!is_said(from, "weight-decay")) out->weight_decay = out->optimizer == DUALPROP_ADAMW ? 0.01 : 0;
    if (!is_said_in(from, "alpha")) rule_settings_fix_alpha(out);
    if (from->program->complete != NULL) from->program->complete(out, is_said, from);
}

/* A checkpoint holds the settings of one program; another would read them with its own defaults. */
static dualprop_status check_program(host *owner, const program *self, const json_t *stored)
{
    const char *name = stored != NULL ? json_string_value(json_object_get(stored, PROGRAM_KEY)) : self->key;

    if (name != NULL && strcmp(name, self->key) == 0) return DUALPROP_OK;
    return host_fail(
        owner, DUALPROP_ERROR_FORMAT,
        "the checkpoint of --resume was written by the program \"dualprop-%.40s\"; expected one that %s wrote",
        name != NULL ? name : "", self->name);
}

/* ---- options that would do nothing ---- */

static int uses_power_iterations(const settings *run)
{
    return rule_settings_is_damped(run) && run->damping.formula != DUALPROP_DAMPING_GIVEN;
}

static int uses_async_fraction(const settings *run)
{
    return run->schedule == DUALPROP_ASYNC;
}

static int uses_epsilon(const settings *run)
{
    return run->adversarial != ADVERSARIAL_OFF;
}

static int uses_min_rate(const settings *run)
{
    return run->warmup > 0 || run->decay_epochs > 0;
}

static const struct {
    const char *option;
    int (*is_used)(const settings *run);
    const char *needed;
} idle_options[] = {
    { "power-iterations", uses_power_iterations, "a damped rule with --damping half or gamma2" },
    { "async-fraction", uses_async_fraction, "--schedule async" },
    { "epsilon", uses_epsilon, "--adversarial fgsm or raw" },
    { "min-lr", uses_min_rate, "--warmup or --decay-epochs" },
};

static dualprop_status check_idle(const settings *run, host *owner, const command_line *given)
{
    for (size_t i = 0; i < sizeof idle_options / sizeof idle_options[0]; i++) {
        int row = setting_find(idle_options[i].option);
        if (program_has(run->program, row) && given->text[row] != NULL && !idle_options[i].is_used(run))
            return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--%s has nothing to act on; expected %s too",
                             idle_options[i].option, idle_options[i].needed);
    }
    return DUALPROP_OK;
}

/* ---- the whole ---- */

dualprop_status command_line_settings(settings *out, host *owner, const program *self, const command_line *given,
                                      const json_t *stored)
{
    sources from = { self, given, stored };

    memset(out, 0, sizeof *out);
    out->program = self;
    TRY(check_program(owner, self, stored));
    for (int row = 0; row < setting_count; row++) {
        if (program_has(self, row))
            TRY(settle_row(out, owner, row, given->text[row], stored_text(stored, row), stored != NULL));
    }
    complete(out, &from);
    TRY(complete_processes(out, owner, &from));
    TRY(settings_check(out, owner));
    return check_idle(out, owner, given);
}

/* A limit of 0 is no option's value: it means that there is none. So it is with blocks. */
static int is_worth_storing(const settings *self, int row)
{
    if (setting_table[row].offset == offsetof(settings, blocks)) return self->blocks > 0;
    if (setting_table[row].offset == offsetof(settings, limit)) return self->limit > 0;
    return setting_table[row].resume != RESUME_FREE && program_has(self->program, row);
}

json_t *settings_store(const settings *self)
{
    json_t *object = json_pack("{s:s}", PROGRAM_KEY, self->program->key);
    char text[SETTING_TEXT];

    for (int row = 0; object != NULL && row < setting_count; row++) {
        if (!is_worth_storing(self, row)) continue;
        setting_write(text, sizeof text, self, row);
        if (text[0] == '\0') continue; /* nothing was said, and nothing is the default */
        if (json_object_set_new(object, setting_table[row].name, json_string(text)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

/* Row by row, so that a sentence can say which option differs. */
static dualprop_status compare_settings(const settings *self, host *owner, const json_t *first)
{
    char own[SETTING_TEXT];

    for (int row = 0; row < setting_count; row++) {
        const char *text = json_string_value(json_object_get(first, setting_table[row].name));
        own[0] = '\0';
        if (is_worth_storing(self, row)) setting_write(own, sizeof own, self, row);
        if (strcmp(text != NULL ? text : "", own) != 0)
            return host_fail(
                owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                "its --%s is \"%.80s\", and that of process 0 \"%.80s\"; expected the same in all processes",
                setting_table[row].name, own, text != NULL ? text : "");
    }
    return DUALPROP_OK;
}

dualprop_status settings_compare(const settings *self, host *owner)
{
    char *text;
    uint64_t size;

    if (owner->transport == NULL) return DUALPROP_OK;
    json_t *own = settings_store(self);
    char *dumped = own != NULL ? json_dumps(own, JSON_COMPACT) : NULL;
    json_decref(own);
    dualprop_status status = peers_text_of_first(&text, &size, owner, dumped != NULL ? dumped : "{}");
    free(dumped);
    TRY(status);
    json_t *first = json_loads(text, 0, NULL);
    host_release(owner, text, size, 1);
    status = compare_settings(self, owner, first);
    json_decref(first);
    return status;
}

static void help_row(FILE *stream, const program *self, int row)
{
    const setting *entry = &setting_table[row];
    const char *initial = program_default(self, row), *help = entry->help;
    char left[48];

    if (launch_joins && strcmp(entry->name, "threads") == 0) {
        help = "of each process; 0: the processors of the machine divided by the processes on it; the bits do not "
               "depend on it";
        initial = "1; of a process alone 0";
    }
    snprintf(left, sizeof left, "--%s%s%s", entry->name, entry->value != NULL ? " " : "",
             entry->value != NULL ? entry->value : "");
    fprintf(stream, "  %-24s %s", left, help);
    if (initial != NULL && initial[0] != '\0') fprintf(stream, " (%s)", initial);
    fputc('\n', stream);
}

void command_line_help(FILE *stream, const program *self, const char *name)
{
    fprintf(stream, "Usage: %s [options]\n%s\n\nOptions (defaults):\n", name, self->purpose);
    for (int row = 0; row < setting_count; row++) {
        if (program_has(self, row)) help_row(stream, self, row);
    }
    fprintf(stream, "\nPresets:\n");
    for (const preset *entry = self->presets; entry->name != NULL; entry++) fprintf(stream, "  %s\n", entry->name);
    fprintf(stream,
            "%s\nExit status: 0, 1 after a failure, 2 for a wrong option, 130 after Ctrl-C, 143 after\n"
            "SIGTERM, 129 after SIGHUP%s (the batch is finished and the checkpoint saved first).\n",
            self->notes, launch_joins ? ", 138 after SIGUSR1" : "");
}
