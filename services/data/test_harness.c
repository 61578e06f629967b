#include "services/data/test_harness.h"

#include "services/data/data.h"

const who server = {.kind = OW_SERVER, .id = "key_1", .title = "ttl_a"};
const who stranger = {.kind = OW_SERVER, .id = "key_2", .title = "ttl_b"};
const who admin = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const who viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const who platform = {.kind = OW_PLATFORM, .id = "", .title = "ttl_a"};

static const subject about = {
    .module = &ow_data_module,
    .service = &overworld__data__v1__data__descriptor,
};

int data_setup(void **state) {
    return harness_setup(state, &about);
}
