#include "services/data/test_fixture.h"

#include "services/data/data.h"

const stage_caller server = {.kind = OW_SERVER, .id = "key_1", .title = "ttl_a"};
const stage_caller stranger = {.kind = OW_SERVER, .id = "key_2", .title = "ttl_b"};
const stage_caller admin = {
    .kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const stage_caller viewer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const stage_caller platform = {.kind = OW_PLATFORM, .id = "", .title = "ttl_a"};

static const subject about = {
    .module = &ow_data_module,
    .service = &overworld__data__v1__data__descriptor,
};

int data_setup(void **state) {
    return fixture_setup(state, &about);
}
