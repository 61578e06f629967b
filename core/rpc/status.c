#include "core/rpc/status.h"

#include "google/rpc/status.pb-c.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ERROR_INFO_URL "type.googleapis.com/google.rpc.ErrorInfo"
#define DOMAIN "overworld"

static_assert(OW_MESSAGE_MAX + OW_REASON_MAX + sizeof ERROR_INFO_URL + sizeof DOMAIN + 64 <=
                  OW_STATUS_BYTES_MAX,
              "the largest status fits");

size_t ow_status_encode(const ow_err *err, uint8_t bytes[static OW_STATUS_BYTES_MAX]) {
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = (char *)err->reason;
    info.domain = (char *)DOMAIN;
    uint8_t packed_info[OW_REASON_MAX + sizeof DOMAIN + 16];
    Google__Protobuf__Any detail = GOOGLE__PROTOBUF__ANY__INIT;
    detail.type_url = (char *)ERROR_INFO_URL;
    detail.value.data = packed_info;
    detail.value.len = google__rpc__error_info__pack(&info, packed_info);
    Google__Protobuf__Any *details[] = {&detail};
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = (int32_t)err->code;
    status.message = (char *)err->message;
    status.details = details;
    status.n_details = 1;
    return google__rpc__status__pack(&status, bytes);
}

static bool read_reason(const Google__Rpc__Status *status, char reason[static OW_REASON_MAX]) {
    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *detail = status->details[i];
        if (strcmp(detail->type_url, ERROR_INFO_URL) != 0) {
            continue;
        }
        Google__Rpc__ErrorInfo *info =
            google__rpc__error_info__unpack(NULL, detail->value.len, detail->value.data);
        if (info == NULL) {
            return false;
        }
        snprintf(reason, OW_REASON_MAX, "%s", info->reason);
        google__rpc__error_info__free_unpacked(info, NULL);
        return true;
    }
    return false;
}

ow_code ow_status_decode(const uint8_t *bytes, size_t size, ow_err *ret_err, ow_err *err) {
    Google__Rpc__Status *status =
        size > 16 * OW_STATUS_BYTES_MAX ? NULL : google__rpc__status__unpack(NULL, size, bytes);
    char reason[OW_REASON_MAX];
    bool good = status != NULL && status->code > OW_OK && status->code < OW_CODE_COUNT &&
                read_reason(status, reason);
    if (good) {
        ow_fail(ret_err, (ow_code)status->code, reason, "%s", status->message);
        ret_err->file = "";
        ret_err->line = 0;
    }
    if (status != NULL) {
        google__rpc__status__free_unpacked(status, NULL);
    }
    return good
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_status", "the peer's error cannot be read");
}
