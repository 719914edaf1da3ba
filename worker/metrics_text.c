/* SPDX-License-Identifier: MPL-2.0
 *
 * Spells the lines of a metrics page. Takes names and numbers, writes Prometheus' text format into an outbox.
 */
#include "worker/metrics_text.h"

#include <stdio.h>

#include "shm/moment.h"

void metrics_text(struct outbox *out, const char *string)
{
    outbox_add(out, slice_of(string));
}

void metrics_text_head(struct outbox *out, const char *name, const char *type, const char *help)
{
    metrics_text(out, "# HELP ");
    metrics_text(out, name);
    metrics_text(out, " ");
    metrics_text(out, help);
    metrics_text(out, "\n# TYPE ");
    metrics_text(out, name);
    metrics_text(out, " ");
    metrics_text(out, type);
    metrics_text(out, "\n");
}

void metrics_text_integer(struct outbox *out, int64_t value)
{
    if (value < 0)
        metrics_text(out, "-");
    outbox_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
    metrics_text(out, "\n");
}

void metrics_text_sample(struct outbox *out, const char *name, const char *suffix)
{
    metrics_text(out, name);
    metrics_text(out, suffix);
    metrics_text(out, " ");
}

void metrics_text_seconds(struct outbox *out, int64_t ns)
{
    char digits[32];
    int size = snprintf(digits, sizeof(digits), "%lld.%09lld", (long long)(ns / NANOSECONDS_PER_SECOND),
                        (long long)(ns % NANOSECONDS_PER_SECOND));

    while (size > 2 && digits[size - 1] == '0' && digits[size - 2] != '.')
        size--;
    outbox_add(out, (struct slice){digits, (size_t)size});
}

void metrics_text_label(struct outbox *out, const char *separator, const char *name, struct slice value)
{
    metrics_text(out, separator);
    metrics_text(out, name);
    metrics_text(out, "=\"");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == '\n')
            metrics_text(out, "\\n");
        else if (value.data[i] == '"' || value.data[i] == '\\')
            outbox_add(out, (struct slice){(char[]){'\\', value.data[i]}, 2});
        else
            outbox_add(out, (struct slice){value.data + i, 1});
    }
    metrics_text(out, "\"");
}
