/* SPDX-License-Identifier: MPL-2.0
 *
 * Which socket belongs to which address and which worker. Opening one is bind.c's work.
 */
#include "master/listeners.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/bind.h"
#include "shm/log.h"
#include "shm/must.h"

void listeners_print_name(const struct settings_listen *where, char *name, size_t size)
{
    char text[ADDRESS_TEXT_SIZE];

    if (where->is_unix) {
        snprintf(name, size, "unix:%s", where->path);
        return;
    }
    address_print(&where->address, text);
    snprintf(name, size, where->address.family == ADDRESS_IPV6 ? "[%s]:%u" : "%s:%u", text, where->port);
}

static bool is_same_place(const struct settings_listen *a, const struct settings_listen *b)
{
    if (a->is_unix != b->is_unix)
        return false;
    if (a->is_unix)
        return strncmp(a->path, b->path, sizeof(a->path)) == 0;
    return a->port == b->port && a->address.family == b->address.family &&
           memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes)) == 0;
}

/* The number of its row, or the count of them when it has none. */
static uint32_t row_of(const struct listeners *listeners, const struct settings_listen *where)
{
    uint32_t i = 0;

    while (i < listeners->count && !is_same_place(&listeners->rows[i].where, where))
        i++;
    return i;
}

static const struct listener *find(const struct listeners *listeners, const struct settings_listen *where)
{
    uint32_t i = row_of(listeners, where);

    return i < listeners->count ? &listeners->rows[i] : NULL;
}

static bool open_row(struct listener *row, uint32_t wanted, const struct settings *settings,
                     const struct privileges *privileges, struct failure *failure)
{
    if (row->socket_count == 0 && !row->where.is_unix && !bind_probe(&row->where, failure))
        return false;
    for (; row->socket_count < wanted; row->socket_count++) {
        int fd;

        if (row->spare_count > 0) {
            row->spare_count--;
            continue;
        }
        fd = row->where.is_unix ? bind_unix(&row->where, settings->socket_mode, privileges, failure)
                                : bind_tcp(&row->where, failure);
        if (fd < 0)
            return false;
        row->sockets[row->socket_count] = fd;
    }
    return true;
}

bool listeners_plan(struct listeners *current, const struct settings *settings, const struct privileges *privileges,
                    struct listeners *next, struct failure *failure)
{
    MUST(settings->listen_count <= SETTINGS_MAX_LISTEN && settings->worker_processes <= SETTINGS_MAX_WORKERS);
    next->count = 0;
    for (uint32_t i = 0; i < settings->listen_count; i++) {
        const struct listener *before = find(current, &settings->listen[i]);
        struct listener *row = &next->rows[next->count++];

        *row = before ? *before : (struct listener){0};
        row->where = settings->listen[i];
        if (!row->where.is_unix && before && before->socket_count < settings->worker_processes)
            bind_steer(row->sockets[0], row->socket_count); /* nobody serves the new ones before the commit */
        if (!open_row(row, row->where.is_unix ? 1 : settings->worker_processes, settings, privileges, failure)) {
            listeners_abort(current, next);
            return false;
        }
    }
    return true;
}

static void close_row(const struct listener *row, bool remove_file)
{
    for (uint32_t i = 0; i < row->socket_count + row->spare_count; i++)
        close(row->sockets[i]);
    if (row->where.is_unix && row->socket_count > 0 && remove_file)
        unlink(row->where.path);
}

/* The new sockets of addresses that were there before are served now. */
static void steer_to_all(const struct listeners *before, const struct listeners *listeners)
{
    for (uint32_t i = 0; i < listeners->count; i++) {
        const struct listener *row = &listeners->rows[i], *kept = find(before, &row->where);

        if (row->where.is_unix || !kept || kept->socket_count == row->socket_count)
            continue;
        if (row->spare_count > 0)
            bind_steer(row->sockets[0], row->socket_count);
        else
            bind_unsteer(row->sockets[0], row->socket_count);
    }
}

/* Not being allowed to is no reason to stop serving; the file's mode is there to be seen. */
static void set_socket_modes(const struct listeners *listeners, unsigned mode)
{
    for (uint32_t i = 0; i < listeners->count; i++)
        if (listeners->rows[i].where.is_unix && !bind_set_mode(listeners->rows[i].where.path, mode))
            log_errno(LOG_LEVEL_WARNING, "the mode of %s could not be set to %04o", listeners->rows[i].where.path,
                      mode);
}

void listeners_commit(struct listeners *current, const struct listeners *next, unsigned socket_mode)
{
    for (uint32_t i = 0; i < current->count; i++)
        if (!find(next, &current->rows[i].where))
            close_row(&current->rows[i], true);
    steer_to_all(current, next);
    *current = *next;
    set_socket_modes(current, socket_mode);
}

void listeners_abort(struct listeners *current, struct listeners *next)
{
    for (uint32_t i = 0; i < next->count; i++) {
        const struct listener *row = &next->rows[i];
        uint32_t number = row_of(current, &row->where);

        if (number < current->count) {
            struct listener *before = &current->rows[number];

            memcpy(before->sockets, row->sockets, sizeof(before->sockets));
            before->spare_count = row->socket_count + row->spare_count - before->socket_count;
        } else {
            close_row(row, true);
        }
    }
    next->count = 0;
}

void listeners_drop_spares(struct listeners *listeners)
{
    for (uint32_t i = 0; i < listeners->count; i++) {
        struct listener *row = &listeners->rows[i];

        while (row->spare_count > 0)
            close(row->sockets[row->socket_count + --row->spare_count]);
    }
}

static struct listener *find_or_add(struct listeners *listeners, const struct settings_listen *where)
{
    for (uint32_t i = 0; i < listeners->count; i++)
        if (is_same_place(&listeners->rows[i].where, where))
            return &listeners->rows[i];
    if (listeners->count == SETTINGS_MAX_LISTEN)
        return NULL;
    listeners->rows[listeners->count] = (struct listener){.where = *where};
    return &listeners->rows[listeners->count++];
}

static bool is_wanted(const struct settings *settings, const struct settings_listen *where)
{
    for (uint32_t i = 0; i < settings->listen_count; i++)
        if (is_same_place(&settings->listen[i], where))
            return true;
    return false;
}

bool listeners_adopt(struct listeners *listeners, const struct settings *settings, const int *sockets, size_t count,
                     struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        struct settings_listen where;
        struct listener *row;

        if (!bind_describe(sockets[i], &where) || fcntl(sockets[i], F_SETFD, FD_CLOEXEC) != 0)
            return failure_set(failure, EXIT_CODE_OS, "descriptor %d of the running master is no listening socket",
                               sockets[i]);
        row = is_wanted(settings, &where) ? find_or_add(listeners, &where) : NULL;
        if (row == NULL || row->socket_count == SETTINGS_MAX_WORKERS)
            close(sockets[i]);
        else
            row->sockets[row->socket_count++] = sockets[i];
    }
    return true;
}

uint32_t listeners_get(const struct listeners *listeners, uint32_t place, uint32_t worker_count, int *sockets,
                       struct handoff_listener *descriptions)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < listeners->count; i++) {
        const struct listener *row = &listeners->rows[i];
        uint32_t step = row->where.is_unix ? 1 : worker_count;

        for (uint32_t j = row->where.is_unix ? 0 : place; j < row->socket_count; j += step) {
            MUST(used < HANDOFF_MAX_LISTENERS);
            descriptions[used] = (struct handoff_listener){.is_ops = row->where.is_ops, .is_unix = row->where.is_unix};
            sockets[used++] = row->sockets[j];
        }
    }
    return used;
}

void listeners_close(struct listeners *listeners, bool remove_files)
{
    for (uint32_t i = 0; i < listeners->count; i++)
        close_row(&listeners->rows[i], remove_files);
    listeners->count = 0;
}
