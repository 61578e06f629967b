/*
 * The smallest game client: log in, call a function, show its reply.
 *
 *     cc hello.c $(pkg-config --cflags --libs overworld) -o hello
 *     ./hello [URL [FUNCTION [JSON]]]
 */
#include <overworld_client.h>

#include <stdio.h>

int main(int argc, char **argv) {
    ow_client_config config = {0};
    config.url = argc > 1 ? argv[1] : "http://127.0.0.1:7350";
    ow_client_error error;
    ow_client_reply *reply = NULL;
    ow_client *client = ow_client_new(&config, &error);
    /* A real game makes a random device id once, and keeps it. */
    bool ok = client != NULL &&
              ow_client_login_device(client, "hello-sample-device", NULL, &error) &&
              ow_client_call_json(client, argc > 2 ? argv[2] : "chat/moderate",
                                  argc > 3 ? argv[3] : "{\"text\": \"hello\"}", &reply, &error);
    if (ok) {
        printf("%s\n", (const char *)reply->data);
    } else {
        fprintf(stderr, "%s (%s)\n", error.message, error.reason);
    }
    ow_client_reply_free(reply);
    ow_client_free(client);
    return ok ? 0 : 1;
}
