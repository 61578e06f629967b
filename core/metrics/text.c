#include "core/metrics/internal.h"

#include <inttypes.h>
#include <string.h>

enum { VALUE_MAX_BYTES = 120 };

bool name_is_sound(const char *name, bool colons) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:";
    size_t length = strspn(name, allowed);
    bool begins_well = strchr("0123456789", name[0]) == NULL; // also false when it is empty
    return begins_well && name[length] == '\0' && (colons || strchr(name, ':') == NULL);
}

// Prometheus escapes three characters and wants UTF-8; what we label with is ASCII, and what is not
// must not be able to break the text.
static size_t escape_into(char *to, const char *value) {
    size_t used = 0;
    for (size_t i = 0; i < VALUE_MAX_BYTES && value[i] != '\0'; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '\\' || c == '"') {
            to[used++] = '\\';
            to[used++] = (char)c;
        } else if (c == '\n') {
            to[used++] = '\\';
            to[used++] = 'n';
        } else {
            to[used++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
        }
    }
    return used;
}

bool labels_format(char text[static LABELS_MAX_BYTES], const ow_metric_labels *labels) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; labels != NULL && i < OW_METRIC_LABELS_MAX && labels->names[i] != NULL; i++) {
        const char *name = labels->names[i];
        const char *value = labels->values[i] == NULL ? "" : labels->values[i];
        size_t most = strlen(name) + 2 * (size_t)VALUE_MAX_BYTES + 5;
        if (!name_is_sound(name, false) || strcmp(name, "le") == 0 ||
            used + most > LABELS_MAX_BYTES) {
            return false;
        }
        used += (size_t)snprintf(text + used, LABELS_MAX_BYTES - used, "%s%s=\"", i == 0 ? "" : ",",
                                 name);
        used += escape_into(text + used, value);
        text[used++] = '"';
        text[used] = '\0';
    }
    return true;
}

static void write_help(const char *help, FILE *out) {
    for (; *help != '\0'; help++) {
        if (*help == '\\' || *help == '\n') {
            fprintf(out, "\\%c", *help == '\n' ? 'n' : '\\');
        } else {
            fputc(*help, out);
        }
    }
}

static void write_labels(const series *series, FILE *out) {
    if (series->labels[0] != '\0') {
        fprintf(out, "{%s}", series->labels);
    }
}

static void write_histogram(const family *family, const series *series, FILE *out) {
    const ow_histogram *histogram = series->histogram;
    const char *comma = series->labels[0] == '\0' ? "" : ",";
    double scale = (double)family->shape.scale;
    uint64_t count = 0;
    for (size_t i = 0; i <= family->shape.bound_count; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        fprintf(out, "%s_bucket{%s%sle=\"", family->name, series->labels, comma);
        if (i < family->shape.bound_count) {
            fprintf(out, "%.12g", (double)family->shape.bounds[i] / scale);
        } else {
            fputs("+Inf", out);
        }
        fprintf(out, "\"} %" PRIu64 "\n", count);
    }
    double sum = (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) / scale;
    fprintf(out, "%s_sum", family->name);
    write_labels(series, out);
    fprintf(out, " %.15g\n%s_count", sum, family->name);
    write_labels(series, out);
    fprintf(out, " %" PRIu64 "\n", count);
}

static void write_number(const family *family, const series *series, FILE *out) {
    fputs(family->name, out);
    write_labels(series, out);
    if (family->type == METRIC_COUNTER) {
        fprintf(out, " %" PRIu64 "\n", ow_counter_value(&series->counter));
    } else {
        fprintf(out, " %" PRId64 "\n", ow_gauge_value(&series->gauge));
    }
}

void family_write(const family *family, FILE *out) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    if (family->first == NULL) {
        return;
    }
    fprintf(out, "# HELP %s ", family->name);
    write_help(family->help, out);
    fprintf(out, "\n# TYPE %s %s\n", family->name, types[family->type]);
    for (const series *s = family->first; s != NULL; s = s->next_in_family) {
        if (family->type == METRIC_HISTOGRAM) {
            write_histogram(family, s, out);
        } else {
            write_number(family, s, out);
        }
    }
}
