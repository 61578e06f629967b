// The header is usable from C++17: it compiles without a warning, and its functions are found.

#include "sdk/c/overworld_client.h"

#include <cstdio>
#include <cstring>

int main() {
    ow_client_config config{};
    config.url = "http://127.0.0.1:1";
    config.timeout_ms = 1000;
    ow_client_error error{};
    ow_client *client = ow_client_new(&config, &error);
    bool called = client != nullptr && ow_client_call_json(client, "a/b", "{}", nullptr, &error);
    ow_client_free(client);
    bool holds = client != nullptr && !called && std::strlen(error.reason) > 0;
    std::printf("%d passed, %d failed\n", holds ? 1 : 0, holds ? 0 : 1);
    return holds ? 0 : 1;
}
