// Any bytes as a configuration file: what is taken can be written, and what was written gives the same
// values again.

#include "core/config/config.h"
#include "core/testing/scarce.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct values {
    int64_t number, bytes, time, choice;
    bool flag;
    char *text;
} values;

static const char *const words[] = {"loopback", "behind_proxy", NULL};

static const ow_config_key keys[] = {
    {"number", OW_CONFIG_INT, offsetof(values, number), "5", -10, 65535, NULL, "A number."},
    {"flag", OW_CONFIG_BOOL, offsetof(values, flag), "true", 0, 0, NULL, "A flag."},
    {"text", OW_CONFIG_STRING, offsetof(values, text), "", 0, 0, NULL, "A text."},
    {"bytes", OW_CONFIG_SIZE, offsetof(values, bytes), "6MB", 0, INT64_C(1) << 44, NULL, "A size."},
    {"time", OW_CONFIG_DURATION, offsetof(values, time), "3s", 0, INT64_C(1) << 50, NULL,
     "A time."},
    {"choice", OW_CONFIG_CHOICE, offsetof(values, choice), "loopback", 0, 0, words, "A choice."},
    {0},
};

static const ow_config_table tables[] = {{"fuzz", keys, sizeof(values)}, {0}};

static ow_config *load(const void *bytes, size_t size) {
    char path[40];
    ow_config *config = NULL;
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ow_config_load(tables, path, NULL, 0, NULL, &config, NULL);
    close(fd);
    return config;
}

static bool are_equal(const values *a, const values *b) {
    return a->number == b->number && a->flag == b->flag && a->bytes == b->bytes &&
           a->time == b->time && a->choice == b->choice && strcmp(a->text, b->text) == 0;
}

static void write_and_read(const ow_config *config) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL && ow_scarce_has_failed()) {
        return;
    }
    if (out == NULL) {
        abort();
    }
    ow_config_print_effective(config, out);
    fclose(out);
    ow_config *again = load(text, size);
    bool is_short = ow_scarce_has_failed();
    if (again == NULL
            ? !is_short
            : !is_short && !are_equal(ow_config_of(config, "fuzz"), ow_config_of(again, "fuzz"))) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
    ow_config_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_config *config = size <= 4096 ? load(data, size) : NULL;
    if (config != NULL) {
        write_and_read(config);
    }
    ow_config_free(config);
    return 0;
}
