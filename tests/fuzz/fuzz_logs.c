/* SPDX-License-Identifier: MPL-2.0
 *
 * What `fairvisor test --requests` reads: the first line is a log_format of nginx (empty: "combined"), the others lines of such a log,
 * each of which is read as a line of JSON as well. A line that cannot be used says why; of the others there are facts.
 */
#include "cli/access_log.h"
#include "cli/json_log.h"
#include "policy/path.h"
#include "tests/fuzz/entry.h"

static void check_record(struct record *record, bool is_read)
{
    struct facts facts;
    char *room;

    MUST(is_read || record->cause[0]);
    if (!is_read || !record->is_request)
        return;
    MUST(record->field_count <= RECORD_MAX_FIELDS);
    if (!record_facts(record, &facts)) {
        MUST(record->cause[0]);
        return;
    }
    room = malloc(PATH_NORMAL_SIZE(facts.path.size));
    MUST(room && slice_equal(path_normalize(facts.path, room), facts.path));
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct access_log log;
    static struct record record;
    struct slice text = entry_copy(data, size), rest = text, format = entry_line(&rest);
    struct failure failure = {0};
    bool is_compiled = access_log_compile(&log, format.size > 0 ? format : SLICE(ACCESS_LOG_COMBINED), &failure);

    MUST(is_compiled || (failure.code == EXIT_CODE_USAGE && failure.sentence[0]));
    MUST(record_init(&record, size));
    while (rest.size > 0) {
        struct slice line = entry_line(&rest);

        record_begin(&record);
        if (is_compiled)
            check_record(&record, access_log_parse(&log, line, &record));
        record_begin(&record);
        check_record(&record, json_log_parse(line, &record));
    }
    record_fini(&record);
    entry_free(text);
    return 0;
}
