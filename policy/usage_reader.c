/* SPDX-License-Identifier: MPL-2.0
 *
 * Usage in answers: see usage_reader.h.
 *
 * Every container has a place (usage_places.h), found from the place around it and its name, so that the same words
 * inside a text, an argument or a document of the user's are never mistaken. Of a figure that is told again the last
 * counts: all streams tell sums.
 */
#include "policy/usage_reader.h"

#include "policy/decimal.h"
#include "policy/usage_places.h"

static const struct {
    struct slice object;
    enum usage_dialect dialect;
} objects[] = {
    {SLICE("chat.completion.chunk"), USAGE_CHAT},
    {SLICE("chat.completion"), USAGE_CHAT},
    {SLICE("text_completion"), USAGE_COMPLETIONS},
    {SLICE("response"), USAGE_RESPONSES},
};

/* What an answer about one of these calls itself, in "object" or "type": no model made it. A batch or a session tells its usage whenever it
 * is looked at. */
static const struct slice kept_things[] = {
    SLICE("file"), SLICE("upload"), SLICE("upload.part"), SLICE("batch"), SLICE("message_batch"), SLICE("vector_store"),
    SLICE("vector_store.file"), SLICE("vector_store.files_batch"), SLICE("vector_store.search_results.page"),
    SLICE("fine_tuning.job"), SLICE("conversation"), SLICE("container"), SLICE("container.file"), SLICE("skill"),
    SLICE("session"), SLICE("session_thread"),
};

/* The types of events and answers that only one dialect has. */
static const struct {
    struct slice type;
    enum usage_dialect dialect;
} types[] = {
    {SLICE("message"), USAGE_ANTHROPIC},
    {SLICE("message_start"), USAGE_ANTHROPIC},
    {SLICE("message-start"), USAGE_COHERE},
};

void usage_reader_init(struct usage_reader *reader)
{
    *reader = (struct usage_reader){.block = -1, .sequence = -1};
    usage_reader_begin(reader);
}

void usage_reader_begin(struct usage_reader *reader)
{
    json_flow_init(&reader->flow);
    reader->places[0] = PLACE_NOWHERE;
    reader->next = PLACE_ROOT;
    reader->has_usage = reader->has_choice = reader->has_error = reader->is_foreign = false;
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

/* What the value behind NAME is in a container that is FROM; who says so may show which dialect he speaks. */
static enum usage_place find_place(struct usage_reader *reader, enum usage_place from, struct slice name)
{
    enum usage_dialect shown;
    enum usage_place place;

    if (from == PLACE_ROOT && reader->is_foreign && slice_equal(name, SLICE("usage")))
        return PLACE_NOWHERE;
    place = usage_places_behind(from, name, &shown);
    if (reader->dialect == USAGE_UNKNOWN)
        reader->dialect = shown;
    return place;
}

/* What a value without a name of its own is: an element, or the whole. */
static enum usage_place element_of(const struct usage_reader *reader, unsigned depth)
{
    switch ((enum usage_place)reader->places[depth]) {
    case PLACE_ROOTS:
        return PLACE_ROOT;
    case PLACE_CHOICES:
        return PLACE_CHOICE;
    case PLACE_ITERATIONS:
        return PLACE_ITERATION;
    case PLACE_TEXT:
    case PLACE_DELTA:
        return PLACE_TEXT;
    default:
        return depth == 0 ? PLACE_ROOT : PLACE_NOWHERE;
    }
}

static bool is_list(enum usage_place place)
{
    return place == PLACE_CHOICES || place == PLACE_ITERATIONS;
}

/* What an iteration took is a part of the sums around it, unless it made the conversation shorter or asked a second model for advice:
 * Anthropic bills that in addition. */
static void begin_iteration(struct usage_reader *reader)
{
    memset(reader->iteration, 0, sizeof(reader->iteration));
    reader->is_beside = false;
}

static void end_iteration(struct usage_reader *reader)
{
    for (int i = 0; i < USAGE_FIGURES && reader->is_beside; i++)
        reader->beside[i] = usage_most(reader->beside[i] + reader->iteration[i]);
}

static void open_container(struct usage_reader *reader, const struct json_flow *flow)
{
    bool is_object = (flow->is_object >> (flow->depth - 1) & 1) != 0;
    enum usage_place place = (enum usage_place)reader->next;

    if (flow->depth == 1)
        place = is_object ? PLACE_ROOT : PLACE_ROOTS;
    reader->is_array |= place == PLACE_ROOTS;
    if (place == PLACE_ROOT)
        reader->root_bytes = reader->text_bytes;
    if (place == PLACE_CHOICE)
        reader->has_choice = true;
    reader->has_usage |= place == PLACE_USAGE && is_object;
    reader->has_error |= place == PLACE_ERROR && is_object;
    if (place == PLACE_CHOICE)
        reader->choice = 0;
    /* Only lists and objects that are what they should be lead on. */
    if (is_object ? is_list(place)
                  : !is_list(place) && place != PLACE_TEXT && place != PLACE_DELTA && place != PLACE_ROOTS)
        place = PLACE_NOWHERE;
    if (place == PLACE_ITERATIONS)
        memset(reader->beside, 0, sizeof(reader->beside));
    if (place == PLACE_ITERATION)
        begin_iteration(reader);
    reader->places[flow->depth] = (uint8_t)place;
    reader->next = is_object ? PLACE_NOWHERE : (uint8_t)element_of(reader, flow->depth);
}

static void end_root(struct usage_reader *reader)
{
    if (reader->is_telling) {
        reader->told_bytes = reader->text_bytes;
        reader->is_hollow = reader->text_bytes > reader->root_bytes && reader->figures[USAGE_COMPLETION] == 0 &&
                            reader->figures[USAGE_CANDIDATES] == 0;
    }
    reader->is_telling = false;
}

static void close_container(struct usage_reader *reader, const struct json_flow *flow)
{
    if (reader->places[flow->depth] == PLACE_CHOICE && reader->choice >= 0 && reader->choice < 64)
        reader->open_choices |= UINT64_C(1) << reader->choice;
    if (reader->places[flow->depth] == PLACE_ITERATION)
        end_iteration(reader);
    if (reader->places[flow->depth] == PLACE_ROOT)
        end_root(reader);
    reader->next = (uint8_t)element_of(reader, flow->depth - 1);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void keep(struct usage_text *text, const struct json_flow *flow)
{
    if (flow->is_cut || flow->text_size > sizeof(text->data))
        return;
    memcpy(text->data, flow->text, flow->text_size);
    text->size = flow->text_size;
}

static void take_kept_thing(struct usage_reader *reader, struct slice name)
{
    for (size_t i = 0; i < sizeof(kept_things) / sizeof(kept_things[0]); i++)
        reader->is_upkeep |= slice_equal(kept_things[i], name);
}

static void take_object(struct usage_reader *reader, struct slice object)
{
    take_kept_thing(reader, object);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        if (slice_equal(objects[i].object, object) && reader->dialect == USAGE_UNKNOWN)
            reader->dialect = objects[i].dialect;
}

/* Anthropic may add events at any time, and what usage they would tell is not known: only two kinds tell that of the answer. */
static void take_type(struct usage_reader *reader, const struct json_flow *flow)
{
    struct slice type = {flow->text, flow->text_size};

    keep(&reader->type, flow);
    take_kept_thing(reader, type);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (slice_equal(types[i].type, type) && reader->dialect == USAGE_UNKNOWN)
            reader->dialect = types[i].dialect;
    reader->is_foreign = reader->dialect == USAGE_ANTHROPIC && !slice_equal(type, SLICE("message")) &&
                         !slice_equal(type, SLICE("message_delta"));
}

static void take_string(struct usage_reader *reader, const struct json_flow *flow)
{
    switch ((enum usage_place)reader->next) {
    case PLACE_TEXT:
    case PLACE_DELTA:
    case PLACE_RESPONSE:
        reader->text_bytes += flow->length;
        break;
    case PLACE_WHOLE_TEXT:
        reader->whole_bytes += flow->length;
        break;
    case PLACE_NOWHERE:
        reader->other_bytes += flow->length;
        break;
    case PLACE_MODEL:
        keep(&reader->model, flow);
        break;
    case PLACE_ID:
        keep(&reader->id, flow);
        break;
    case PLACE_TYPE:
        take_type(reader, flow);
        break;
    case PLACE_ITERATION_TYPE:
        reader->is_beside = slice_equal((struct slice){flow->text, flow->text_size}, SLICE("compaction")) ||
                            slice_equal((struct slice){flow->text, flow->text_size}, SLICE("advisor_message"));
        break;
    case PLACE_OBJECT_TYPE:
        take_object(reader, (struct slice){flow->text, flow->text_size});
        break;
    case PLACE_CHOICE_END:
        if (reader->choice >= 0 && reader->choice < 64)
            reader->ended_choices |= UINT64_C(1) << reader->choice;
        break;
    case PLACE_STATUS:
        reader->is_unfinished = slice_equal((struct slice){flow->text, flow->text_size}, SLICE("queued")) ||
                                slice_equal((struct slice){flow->text, flow->text_size}, SLICE("in_progress"));
        break;
    case PLACE_ERROR:
        reader->has_error = true;
        break;
    default:
        reader->has_bad_figure |= reader->next >= PLACE_FIGURE;
        break;
    }
}

/* A whole number of at most ESTIMATE_MOST; a negative one is none. */
static bool read_count(const struct json_flow *flow, int64_t *count)
{
    int64_t millionths;

    if (flow->is_cut || decimal_parse((struct slice){flow->text, flow->text_size}, &millionths) != DECIMAL_OK ||
        millionths % 1000000 != 0 || millionths > ESTIMATE_MOST * 1000000)
        return false;
    *count = millionths > 0 ? millionths / 1000000 : 0;
    return millionths >= 0;
}

static void take_figure(struct usage_reader *reader, enum usage_figure figure, const struct json_flow *flow)
{
    enum usage_place around = (enum usage_place)reader->places[flow->depth];
    int64_t count = 0;

    if (!read_count(flow, &count)) {
        reader->has_bad_figure = true;
        if (flow->text_size == 0 || flow->text[0] != '-')
            return;
    }
    if (around == PLACE_ITERATION) {
        reader->iteration[figure] = count;
        return;
    }
    reader->figures[figure] = count;
    reader->given |= UINT32_C(1) << figure;
    if (figure == USAGE_COMPLETION)
        reader->is_partial = around == PLACE_USAGE_PARTIAL;
    reader->is_telling |= figure == USAGE_COMPLETION || figure == USAGE_CANDIDATES;
}

static void take_number(struct usage_reader *reader, const struct json_flow *flow)
{
    int64_t number;

    if (reader->next >= PLACE_FIGURE) {
        take_figure(reader, (enum usage_figure)(reader->next - PLACE_FIGURE), flow);
        return;
    }
    if (!read_count(flow, &number))
        return;
    reader->is_count |= reader->next == PLACE_COUNT;
    if (reader->next == PLACE_CREATED)
        reader->created = number;
    else if (reader->next == PLACE_SEQUENCE)
        reader->sequence = number;
    else if (reader->next == PLACE_BLOCK)
        reader->block = number;
    else if (reader->next == PLACE_CHOICE_INDEX)
        reader->choice = number;
}

static void listen(void *context, const struct json_flow *flow, enum json_flow_event event)
{
    struct usage_reader *reader = context;

    switch (event) {
    case JSON_FLOW_NAME:
        reader->next = flow->is_cut ? PLACE_NOWHERE
                                    : (uint8_t)find_place(reader, (enum usage_place)reader->places[flow->depth],
                                                        (struct slice){flow->text, flow->text_size});
        return;
    case JSON_FLOW_OPEN:
        open_container(reader, flow);
        return;
    case JSON_FLOW_CLOSE:
        close_container(reader, flow);
        return;
    case JSON_FLOW_STRING:
        take_string(reader, flow);
        break;
    case JSON_FLOW_SCALAR:
        if (flow->text[0] == '-' || (flow->text[0] >= '0' && flow->text[0] <= '9'))
            take_number(reader, flow);
        break;
    }
    reader->next = (uint8_t)element_of(reader, flow->depth);
}

void usage_reader_feed(struct usage_reader *reader, struct slice bytes)
{
    json_flow_feed(&reader->flow, bytes, listen, reader);
}

void usage_reader_end(struct usage_reader *reader)
{
    json_flow_end(&reader->flow, listen, reader);
}

static int64_t tokens_of(uint64_t bytes)
{
    uint64_t tokens = (bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN;

    return tokens > (uint64_t)ESTIMATE_MOST ? ESTIMATE_MOST : (int64_t)tokens;
}

int64_t usage_reader_counted(const struct usage_reader *reader)
{
    bool is_in_text = reader->next == PLACE_TEXT || reader->next == PLACE_DELTA || reader->next == PLACE_RESPONSE;
    uint64_t bytes = reader->text_bytes + (is_in_text ? json_flow_begun(&reader->flow) : 0);

    return tokens_of(bytes > reader->whole_bytes ? bytes : reader->whole_bytes);
}

bool usage_reader_is_strange(const struct usage_reader *reader, int64_t *tokens)
{
    *tokens = tokens_of(reader->other_bytes);
    return reader->dialect == USAGE_UNKNOWN && reader->given == 0 && reader->text_bytes == 0 && reader->whole_bytes == 0 &&
           !reader->is_upkeep && !reader->is_count;
}
