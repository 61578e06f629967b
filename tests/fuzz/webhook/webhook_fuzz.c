// Headers of a webhook, a line each, the secret in front, the body behind: nobody gets in without the
// secret, and everybody with it.

#include "core/crypto/webhook.h"
#include "core/testing/scarce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1674087231

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *take_line(char **at) {
    char *line = *at;
    size_t size = strcspn(line, "\n");
    *at = line + size + (line[size] == '\n');
    line[size] = '\0';
    return line;
}

static void sign_and_verify(const char *secret, const ow_webhook_headers *told, const char *body) {
    char signature[OW_WEBHOOK_SIGNATURE_MAX];
    char timestamp[32];
    ow_webhook_message message = {told->id, NOW, body, strlen(body)};
    if (!ow_webhook_sign(secret, &message, signature)) {
        return;
    }
    snprintf(timestamp, sizeof timestamp, "%d", NOW);
    ow_webhook_headers headers = {told->id, timestamp, signature};
    ow_err err = {.reason = ""};
    ow_code code = ow_webhook_verify(secret, &headers, body, strlen(body), NOW, &err);
    if (code != OW_OK && strcmp(err.reason, "bad_webhook") != 0 && ow_webhook_is_secret(secret) &&
        !ow_scarce_has_failed()) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    if (text == NULL) {
        return 0;
    }
    char *at = text;
    const char *secret = take_line(&at);
    ow_webhook_headers headers = {0};
    headers.id = take_line(&at);
    headers.timestamp = take_line(&at);
    headers.signature = take_line(&at);
    ow_webhook_verify(secret, &headers, at, strlen(at), NOW, NULL);
    ow_webhook_verify_hmac(secret, headers.signature, at, strlen(at), NULL);
    sign_and_verify(secret, &headers, at);
    free(text);
    return 0;
}
