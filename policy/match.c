/* SPDX-License-Identifier: MPL-2.0
 *
 * The index of all selectors: a hash table from (host, path) to a node with three ascending lists of policies.
 *
 *   node (host h, path p):  exact     policies with pathExact p
 *                           segment   policies with pathPrefix p, matching p and p/...
 *                           below     policies with pathPrefix p/, matching p/... only
 *
 * A request for /a/b asks for the nodes of "", "/a" and "/a/b", once for its host and once for policies of any host. No
 * path that is deeper than the deepest prefix is looked up except as a whole. Lists of one request never share a
 * policy.
 */
#include "policy/match.h"

#include <stdlib.h>

#include "policy/region.h"

#define ANY_HOST      0
#define NO_NODE       UINT32_MAX
#define OTHER_METHODS ((uint32_t)1 << 31)
#define HASH_START    UINT64_C(0xCBF29CE484222325)
#define HASH_PRIME    UINT64_C(0x100000001B3)

enum list_kind { LIST_EXACT, LIST_SEGMENT, LIST_BELOW, LIST_KINDS };

struct entry {
    uint32_t policy;
    uint32_t methods; /* bits as in struct policy, OTHER_METHODS; 0 = any */
};

struct list {
    uint32_t first, count; /* of match_index.entries */
};

struct node {
    struct slice path;
    uint32_t host;
    struct list lists[LIST_KINDS];
};

struct host {
    struct slice name;
};

struct match_index {
    struct node *nodes;
    uint32_t node_count;
    uint32_t *node_slots; /* index + 1; hash table of a power of two */
    uint32_t node_mask;
    struct host *hosts; /* number 0 is any host */
    uint32_t host_count;
    uint32_t *host_slots;
    uint32_t host_mask;
    struct entry *entries;
    size_t deepest_prefix; /* bytes of the longest path that is a prefix */
    size_t longest_path;   /* bytes of the longest path of all */
};

/* ---- hashing --------------------------------------------------------------------------------------------------- */

static uint64_t hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * HASH_PRIME;
}

static uint64_t hash_text(struct slice text)
{
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < text.size; i++)
        hash = hash_byte(hash, text.data[i]);
    return hash;
}

static uint32_t spread(uint64_t path_hash, uint32_t host)
{
    uint64_t hash = path_hash ^ (host * UINT64_C(0x9E3779B97F4A7C15));

    hash ^= hash >> 32;
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(hash >> 32);
}

static uint32_t *find_host_slot(const struct match_index *index, struct slice name)
{
    for (uint32_t at = spread(hash_text(name), 0);; at++) {
        uint32_t *slot = &index->host_slots[at & index->host_mask];

        if (*slot == 0 || slice_equal(index->hosts[*slot].name, name))
            return slot;
    }
}

static uint32_t *find_node_slot(const struct match_index *index, uint64_t path_hash, struct slice path, uint32_t host)
{
    for (uint32_t at = spread(path_hash, host);; at++) {
        uint32_t *slot = &index->node_slots[at & index->node_mask];

        if (*slot == 0)
            return slot;
        if (index->nodes[*slot - 1].host == host && slice_equal(index->nodes[*slot - 1].path, path))
            return slot;
    }
}

/* ---- building -------------------------------------------------------------------------------------------------- */

/* One selector path of one host, before it is put in a list. */
struct placement {
    uint32_t node;
    enum list_kind kind;
    uint32_t policy;
};

struct builder {
    const struct bundle *bundle;
    struct match_index *index;
    struct placement *placements;
    size_t count;
};

static uint32_t table_size(size_t items)
{
    uint32_t size = 16;

    while (size < items * 2)
        size *= 2;
    return size;
}

static bool has_both_paths(const struct policy *policy)
{
    return policy->also_prefix.size > 0;
}

static size_t count_placements(const struct bundle *bundle, size_t *hosts)
{
    size_t count = 0;

    *hosts = 1;
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        const struct policy *policy = &bundle->policies[i];
        size_t for_hosts = policy->host_count > 0 ? policy->host_count : 1;

        *hosts += policy->host_count;
        count += for_hosts * (has_both_paths(policy) ? 2 : 1);
    }
    return count;
}

static uint32_t take_host(struct match_index *index, struct slice name)
{
    uint32_t *slot = find_host_slot(index, name);

    if (*slot == 0) {
        *slot = index->host_count;
        index->hosts[index->host_count++].name = name;
    }
    return *slot;
}

static uint32_t take_node(struct match_index *index, struct slice path, uint32_t host)
{
    uint32_t *slot = find_node_slot(index, hash_text(path), path, host);

    if (*slot == 0) {
        index->nodes[index->node_count++] = (struct node){.path = path, .host = host};
        if (path.size > index->longest_path)
            index->longest_path = path.size;
        *slot = index->node_count;
    }
    return *slot - 1;
}

static void place(struct builder *builder, uint32_t policy, struct slice path, bool is_exact, uint32_t host)
{
    struct placement *placement = &builder->placements[builder->count++];

    placement->policy = policy;
    placement->kind = is_exact ? LIST_EXACT : LIST_SEGMENT;
    if (!is_exact && path.data[path.size - 1] == '/') {
        placement->kind = LIST_BELOW;
        path.size--;
    }
    if (!is_exact && path.size > builder->index->deepest_prefix)
        builder->index->deepest_prefix = path.size;
    placement->node = take_node(builder->index, path, host);
}

/* Is the exact path of a policy within its prefix? Then the prefix alone stands for both. */
static bool prefix_covers_exact(const struct policy *policy)
{
    struct slice prefix = policy->also_prefix, path = policy->path;

    if (!slice_has_prefix(path, prefix))
        return false;
    return path.size == prefix.size || prefix.data[prefix.size - 1] == '/' || path.data[prefix.size] == '/';
}

static void place_policy(struct builder *builder, uint32_t number)
{
    const struct policy *policy = &builder->bundle->policies[number];
    uint32_t count = policy->host_count > 0 ? policy->host_count : 1;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t host = policy->host_count > 0 ? take_host(builder->index, policy->hosts[i]) : ANY_HOST;

        if (has_both_paths(policy))
            place(builder, number, policy->also_prefix, false, host);
        if (!has_both_paths(policy) || !prefix_covers_exact(policy))
            place(builder, number, policy->path, policy->path_is_exact, host);
    }
}

/* Gives each list its stretch of the entries, then fills them. Placements come by policy, so lists are ascending. */
static void fill_lists(struct builder *builder)
{
    struct match_index *index = builder->index;
    uint32_t first = 0;

    for (size_t i = 0; i < builder->count; i++)
        index->nodes[builder->placements[i].node].lists[builder->placements[i].kind].count++;
    for (uint32_t i = 0; i < index->node_count; i++) {
        for (int kind = 0; kind < LIST_KINDS; kind++) {
            struct list *list = &index->nodes[i].lists[kind];

            list->first = first;
            first += list->count;
            list->count = 0;
        }
    }
    for (size_t i = 0; i < builder->count; i++) {
        const struct placement *placement = &builder->placements[i];
        const struct policy *policy = &builder->bundle->policies[placement->policy];
        struct list *list = &index->nodes[placement->node].lists[placement->kind];

        index->entries[list->first + list->count++] = (struct entry){
            .policy = placement->policy,
            .methods = (uint32_t)policy->method_bits | (policy->other_method_count > 0 ? OTHER_METHODS : 0),
        };
    }
}

static bool make_tables(struct match_index *index, struct region *region, size_t placements, size_t hosts)
{
    if (placements > UINT32_MAX / 4 || hosts > UINT32_MAX / 4)
        return false;
    index->node_mask = table_size(placements) - 1;
    index->host_mask = table_size(hosts) - 1;
    index->nodes = region_take(region, placements, sizeof(*index->nodes));
    index->node_slots = region_take(region, (size_t)index->node_mask + 1, sizeof(*index->node_slots));
    index->hosts = region_take(region, hosts, sizeof(*index->hosts));
    index->host_slots = region_take(region, (size_t)index->host_mask + 1, sizeof(*index->host_slots));
    index->entries = region_take(region, placements, sizeof(*index->entries));
    index->host_count = 1;
    return index->nodes && index->node_slots && index->hosts && index->host_slots && index->entries;
}

bool match_build(struct bundle *bundle)
{
    struct builder builder = {.bundle = bundle};
    size_t hosts, placements = count_placements(bundle, &hosts);

    bundle->index = builder.index = region_take(bundle->region, 1, sizeof(*bundle->index));
    builder.placements = calloc(placements + 1, sizeof(*builder.placements));
    if (!builder.index || !builder.placements || !make_tables(builder.index, bundle->region, placements, hosts)) {
        free(builder.placements);
        return false;
    }
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        place_policy(&builder, i);
    fill_lists(&builder);
    free(builder.placements);
    return true;
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

struct search {
    const struct bundle *bundle;
    struct slice method;
    uint32_t method_bit; /* OTHER_METHODS for one without a bit of its own */
    uint32_t *found;
    size_t count;
};

static bool takes_method(const struct search *search, const struct entry *entry)
{
    const struct policy *policy;

    if (entry->methods == 0)
        return true;
    if ((entry->methods & search->method_bit) == 0)
        return false;
    if (search->method_bit != OTHER_METHODS)
        return true;
    policy = &search->bundle->policies[entry->policy];
    for (uint32_t i = 0; i < policy->other_method_count; i++)
        if (slice_equal(policy->other_methods[i], search->method))
            return true;
    return false;
}

/* Moves the elements behind MIDDLE, ascending like those before it, to their places: from the back, the longer run
 * opened as far as needed. */
static void merge_tail(uint32_t *found, size_t middle, size_t count, const struct search *search,
                       const struct entry *entries, size_t entry_count)
{
    size_t left = middle, out = count, right = entry_count;

    while (out > left) {
        while (!takes_method(search, &entries[right - 1]))
            right--;
        if (left > 0 && found[left - 1] > entries[right - 1].policy)
            found[--out] = found[--left];
        else
            found[--out] = entries[--right].policy;
    }
}

static void add_list(struct search *search, const struct match_index *index, const struct list *list)
{
    const struct entry *entries = &index->entries[list->first];
    size_t middle = search->count;

    for (uint32_t i = 0; i < list->count; i++)
        if (takes_method(search, &entries[i]))
            search->found[search->count++] = entries[i].policy;
    if (middle > 0 && search->count > middle && search->found[middle] < search->found[middle - 1])
        merge_tail(search->found, middle, search->count, search, entries, list->count);
}

static const struct node *find_node(const struct match_index *index, uint64_t path_hash, struct slice path,
                                    uint32_t host)
{
    uint32_t slot = *find_node_slot(index, path_hash, path, host);

    return slot > 0 ? &index->nodes[slot - 1] : NULL;
}

/* Adds the policies of one host. */
static void search_host(struct search *search, const struct match_index *index, struct slice path, uint32_t host)
{
    size_t end = path.size <= index->longest_path ? path.size : index->deepest_prefix + 1;
    uint64_t hash = HASH_START;
    const struct node *node;

    for (size_t i = 0; i < end && i < path.size; i++) {
        if (path.data[i] == '/' && i <= index->deepest_prefix) {
            node = find_node(index, hash, (struct slice){path.data, i}, host);
            if (node) {
                add_list(search, index, &node->lists[LIST_SEGMENT]);
                add_list(search, index, &node->lists[LIST_BELOW]);
            }
        }
        hash = hash_byte(hash, path.data[i]);
    }
    node = end == path.size ? find_node(index, hash, path, host) : NULL;
    if (node) {
        add_list(search, index, &node->lists[LIST_SEGMENT]);
        add_list(search, index, &node->lists[LIST_EXACT]);
    }
}

size_t match_find(const struct bundle *bundle, const struct facts *facts, uint32_t *found)
{
    const struct match_index *index = bundle->index;
    uint32_t method = bundle_method_index(facts->method);
    struct search search = {
        .bundle = bundle,
        .method = facts->method,
        .method_bit = method != BUNDLE_NO_INDEX ? (uint32_t)1 << method : OTHER_METHODS,
        .found = found,
    };

    search_host(&search, index, facts->path, ANY_HOST);
    if (index->host_count > 1) {
        uint32_t host = *find_host_slot(index, facts->host);

        if (host != ANY_HOST)
            search_host(&search, index, facts->path, host);
    }
    return search.count;
}
