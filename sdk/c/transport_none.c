/* In place of transport_curl.c where there is no libcurl: the game brings its own transport. */
#include "sdk/c/internal.h"

const ow_client_transport *sdk_default_transport(void) {
    return NULL;
}
