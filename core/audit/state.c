#include "core/audit/audit.h"

#include "core/json/writer.h"

#include <stdarg.h>
#include <string.h>

ow_audit_entry ow_audit_of_call(const ow_call *call, int64_t now_us) {
    return (ow_audit_entry){
        .at_us = now_us,
        .title = call->principal->title,
        .principal = call->principal->id,
        .address = call->client_address,
        .request_id = call->request_id,
        .action = "",
        .object = "",
    };
}

const char *ow_audit_state_in(ow_arena *arena, const char *types, ...) {
    ow_json_writer w;
    va_list args;
    ow_json_writer_init(&w, arena, OW_AUDIT_STATE_MAX);
    ow_json_object_open(&w);
    va_start(args, types);
    for (; *types != '\0'; types++) {
        ow_json_name(&w, va_arg(args, const char *));
        if (*types == 't') {
            const char *text = va_arg(args, const char *);
            ow_json_text_n(&w, text, strnlen(text, OW_AUDIT_TEXT_MAX));
        } else if (*types == 'i') {
            ow_json_int64_text(&w, va_arg(args, int64_t));
        } else if (*types == 'b') {
            ow_json_bool(&w, va_arg(args, int) != 0);
        } else {
            ow_json_text(&w, "***");
        }
    }
    va_end(args);
    ow_json_object_close(&w);
    const char *text = ow_json_writer_end(&w, NULL);
    return text != NULL ? text : "{\"too_long\":true}";
}
