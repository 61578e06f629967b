// The reader of cron expressions on any text, and that of zone files on any bytes: what they accept comes
// later than asked for, and in a stretch that has it.

#include "core/cron/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t instants[] = {0, 1700000000, 1743296399, 1761438600, 2147483647, 4102444800};

static void check(const ow_cron *cron, const ow_zone *zone) {
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        ow_zone_span span;
        int64_t at_s = instants[i];
        ow_zone_span_at(zone, at_s, &span);
        if (span.from > at_s || span.until <= at_s) {
            abort();
        }
        if (cron != NULL && ow_cron_next(cron, zone, instants[i], &at_s) && at_s <= instants[i]) {
            abort();
        }
    }
}

static void check_text(const char *text) {
    ow_zone *zone = NULL;
    ow_cron cron;
    if (ow_cron_parse(text, &cron, NULL) != OW_OK ||
        ow_zone_open(OW_ZONE_FOLDER, "Europe/Berlin", &zone, NULL) != OW_OK) {
        return;
    }
    check(&cron, zone);
    ow_zone_free(zone);
}

static void check_file(const uint8_t *data, size_t size) {
    ow_zone *zone = NULL;
    if (ow_zone_read(data, size, &zone, NULL) == OW_OK) {
        check(NULL, zone);
        ow_zone_free(zone);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[OW_CRON_TEXT_MAX + 2];
    if (size >= 4 && memcmp(data, "TZif", 4) == 0) {
        check_file(data, size);
        return 0;
    }
    size_t length = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, length);
    text[length] = 0;
    check_text(text);
    return 0;
}
