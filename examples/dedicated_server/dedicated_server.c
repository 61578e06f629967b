/*
 * A sample dedicated server: after a match it sends the chat of all its players to be counted, or who
 * won, with a server key, from its own loop that never waits.
 *
 *     OVERWORLD_SERVER_KEY=key_... OVERWORLD_SERVER_SECRET=... dedicated_server [URL] < messages
 *     ... dedicated_server URL --match ID WINNER LOSER
 *
 * Make the key with: ow key create my-server
 */
#include "sdk/c/overworld_client.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:7350"

enum { BATCH_MAX = 1000, FRAME_MS = 16, MATCH_ARGS = 6 };

typedef struct outcome {
    const char *function;
    bool done;
    int exit_code;
} outcome;

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    outcome *result = user;
    result->done = true;
    if (reply == NULL) {
        fprintf(stderr, "%s: %s (%s)\n", result->function, error->message, error->reason);
        result->exit_code = 1;
        return;
    }
    printf("%.*s\n", (int)reply->size, (const char *)reply->data);
}

static char *print(cJSON *request) {
    char *payload = cJSON_PrintUnformatted(request);
    cJSON_Delete(request);
    return payload;
}

static char *read_messages(void) {
    cJSON *request = cJSON_CreateObject();
    cJSON *messages = cJSON_AddArrayToObject(request, "messages");
    char line[4096];
    for (int i = 0; i < BATCH_MAX && fgets(line, sizeof line, stdin) != NULL; i++) {
        line[strcspn(line, "\r\n")] = '\0';
        cJSON_AddItemToArray(messages, cJSON_CreateString(line));
    }
    return print(request);
}

static char *describe_match(char **ids) {
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "match", ids[0]);
    cJSON_AddStringToObject(request, "winner", ids[1]);
    cJSON_AddStringToObject(request, "loser", ids[2]);
    return print(request);
}

static int usage(void) {
    fprintf(stderr, "usage: dedicated_server [URL] < messages\n"
                    "       dedicated_server URL --match ID WINNER LOSER\n"
                    "with OVERWORLD_SERVER_KEY and OVERWORLD_SERVER_SECRET set "
                    "(ow key create my-server)\n");
    return 2;
}

static int report(ow_client *client, const char *name, const char *payload) {
    ow_client_error error;
    outcome result = {name, false, 0};
    ow_client_function function = {0};
    function.name = name;
    function.payload = payload;
    function.size = strlen(payload);
    /* arena counts a match once, chat changes nothing. */
    function.may_repeat = true;
    if (!ow_client_call_start(client, &function, on_reply, &result, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    /* The match goes on here; a frame gives the client what is left of its 16 ms. */
    while (!result.done) {
        ow_client_poll(client, FRAME_MS);
    }
    return result.exit_code;
}

int main(int argc, char **argv) {
    bool match = argc == MATCH_ARGS && strcmp(argv[2], "--match") == 0;
    ow_client_config config = {0};
    config.url = argc > 1 ? argv[1] : DEFAULT_URL;
    config.server_key_id = getenv("OVERWORLD_SERVER_KEY");
    config.server_key_secret = getenv("OVERWORLD_SERVER_SECRET");
    if (config.server_key_id == NULL || (argc > 2 && !match)) {
        return usage();
    }
    ow_client_error error;
    ow_client *client = ow_client_new(&config, &error);
    if (client == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    char *payload = match ? describe_match(argv + 3) : read_messages();
    int exit_code = report(client, match ? "arena/match_over" : "chat/stats", payload);
    cJSON_free(payload);
    ow_client_free(client);
    return exit_code;
}
