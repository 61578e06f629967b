// The methods about HTTP routes: validate, call the store.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

ow_code list_routes(ow_run *run) {
    static const change none = {.now_us = 0};
    const list_routes_request *request = run->request;
    tx t = tx_of(run, &none);
    int limit = 0;
    ow_code code = page_limit(request->page_size, &limit, run->err);
    code = code == OW_OK ? store_title_resolve(&t) : code;
    return code == OW_OK ? store_route_states(&t, request, limit, run->reply) : code;
}

ow_code set_route_disabled_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_route_set_disabled(&t, run->request, run->reply) : code;
}
