/*
 * A sample game client: logs in, sends chat messages through the moderation server and shows what
 * the other players would read.
 *
 *     client [URL] [MESSAGE...]
 *
 * The device id is made once and kept in ~/.overworld-sample-device, as a game would keep it.
 */
#include "sdk/c/overworld_client.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:7350"

static const char *const sample_messages[] = {
    "good game everyone",
    "you are such an IDIOT",
    "what a class act",
    "你这个笨蛋快闭嘴",
};

static bool read_device_id(const char *path, char id[40]) {
    FILE *file = fopen(path, "r");
    bool ok = file != NULL && fgets(id, 40, file) != NULL && strlen(id) >= 8;
    if (file != NULL) {
        fclose(file);
    }
    if (ok) {
        id[strcspn(id, "\r\n")] = '\0';
    }
    return ok;
}

static bool make_device_id(const char *path, char id[40]) {
    unsigned char random[16];
    FILE *source = fopen("/dev/urandom", "rb");
    bool ok = source != NULL && fread(random, 1, sizeof random, source) == sizeof random;
    if (source != NULL) {
        fclose(source);
    }
    for (int i = 0; ok && i < 16; i++) {
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    }
    FILE *file = ok ? fopen(path, "w") : NULL;
    if (file == NULL) {
        return ok; /* it works without being kept: another player next time */
    }
    fprintf(file, "%s\n", id);
    fclose(file);
    return true;
}

static bool get_device_id(char id[40]) {
    char path[512];
    const char *home = getenv("HOME");
    snprintf(path, sizeof path, "%s/.overworld-sample-device", home != NULL ? home : ".");
    return read_device_id(path, id) || make_device_id(path, id);
}

static int show_error(const char *what, const ow_client_error *error) {
    fprintf(stderr, "%s: %s (%s)\n", what, error->message, error->reason);
    if (error->request_id[0] != '\0') {
        fprintf(stderr, "    request id: %s\n", error->request_id);
    }
    return 1;
}

static int moderate(ow_client *client, const char *message) {
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "text", message);
    char *payload = cJSON_PrintUnformatted(request);
    cJSON_Delete(request);
    ow_client_reply *reply = NULL;
    ow_client_error error;
    bool ok = ow_client_call_json(client, "chat/moderate", payload, &reply, &error);
    cJSON_free(payload);
    if (!ok) {
        return show_error("chat/moderate", &error);
    }
    cJSON *json = cJSON_ParseWithLength(reply->data, reply->size);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "text"));
    printf("  %-28s ->  %s\n", message, text != NULL ? text : (const char *)reply->data);
    cJSON_Delete(json);
    ow_client_reply_free(reply);
    return 0;
}

int main(int argc, char **argv) {
    ow_client_config config = {0};
    config.url = argc > 1 ? argv[1] : DEFAULT_URL;
    ow_client_error error;
    ow_client *client = ow_client_new(&config, &error);
    if (client == NULL) {
        return show_error(config.url, &error);
    }
    char device[40];
    ow_client_credentials player = {.device_id = device, .platform = "sample"};
    ow_client_login login;
    if (!get_device_id(device)) {
        fprintf(stderr, "no random device id could be made\n");
        ow_client_free(client);
        return 1;
    }
    if (!ow_client_login_with(client, &player, &login, &error)) {
        ow_client_free(client);
        return show_error("login", &error);
    }
    printf("%s player %s\n", login.is_new_player ? "new" : "known", login.player_id);
    int count = argc > 2 ? argc - 2 : (int)(sizeof sample_messages / sizeof sample_messages[0]);
    int failed = 0;
    for (int i = 0; i < count && failed == 0; i++) {
        failed = moderate(client, argc > 2 ? argv[i + 2] : sample_messages[i]);
    }
    ow_client_free(client);
    return failed;
}
