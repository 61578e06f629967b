// What the bench calls: an echo that parses and prints with cJSON as the floor does.

#include <overworld.h>

int echo(ow_ctx *ctx) {
    char *text = cJSON_PrintUnformatted(ow_payload_json(ctx));
    if (text == NULL) {
        return ow_refuse(ctx, "no_json", "send JSON", NULL);
    }
    int result = ow_reply_text(ctx, text);
    cJSON_free(text);
    return result;
}
