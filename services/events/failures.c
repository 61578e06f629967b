#include "services/events/failures.h"

#include "services/events/announcements.h"

#include "core/json/writer.h"

#include <string.h>

enum { DATA_MAX = 8192 };

static const char *data_of(const run *ended, size_t *ret_size) {
    const execution_row *row = &ended->claimed->row;
    const new_execution_msg *wanted = row->facts->wanted;
    const struct {
        const char *name, *text;
    } texts[] = {
        {"virtual_server", wanted->virtual_server}, {"function", wanted->function},
        {"execution_id", row->execution_id},        {"source", wanted->source},
        {"reason", ended->settlement.reason},       {"message", ended->settlement.message},
    };
    ow_json_writer w;
    ow_json_writer_init(&w, ended->claimed->arena, DATA_MAX);
    ow_json_object_open(&w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ow_json_name(&w, texts[i].name);
        ow_json_text(&w, texts[i].text != NULL ? texts[i].text : "");
    }
    ow_json_name(&w, "attempts");
    ow_json_int(&w, ended->settlement.next.attempt);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

ow_code failure_announce(ow_db_conn *db, const run *ended, bool *ret_announced, ow_err *err) {
    const execution_row *row = &ended->claimed->row;
    *ret_announced = false;
    if (ended->stale || ended->settlement.next.state != EXECUTION_DEAD ||
        row->facts->wanted->depth >= DEPTH_MAX ||
        (ended->crowded && row->facts->wanted->depth > 0)) {
        return OW_OK;
    }
    announcement a = {.type = "function.failed", .id = row->execution_id};
    a.data.data = (uint8_t *)(uintptr_t)data_of(ended, &a.data.len);
    if (a.data.data == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
    }
    ow_id_make(a.trigger_id, "trg_", ended->settlement.ended_us);
    return announce(db, ended, &a, ret_announced, err);
}
