#include "services/data/test_harness.h"

#include "services/data/data.h"

#include "core/rpc/service.h"
#include "overworld/identity/v1/identity.pb-c.h"

#include <stdlib.h>
#include <string.h>

const who server = {.kind = OW_SERVER, .id = "key_1", .title = "ttl_a"};
const who stranger = {.kind = OW_SERVER, .id = "key_2", .title = "ttl_b"};
const who admin = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const who viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const who platform = {.kind = OW_PLATFORM, .id = "", .title = "ttl_a"};

// ---- What identity would answer ----

static ow_code fake_find(ow_run *run) {
    data_fakes *fakes = run->self;
    const Overworld__Identity__V1__FindPlayerRequest *request = run->request;
    Overworld__Identity__V1__Player *reply = run->reply;
    fakes->asked++;
    if (fakes->identity_away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "identity is away");
    }
    if (strcmp(request->player_id, MADE_UP_PLAYER) == 0) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_player", "there is none");
    }
    reply->player_id = request->player_id;
    return OW_OK;
}

static const ow_method fake_identity[] = {{"FindPlayer", 0, {{OW_LOOP, fake_find}}}, {0}};

static void offer_identity(fixture *f) {
    data_fakes *fakes = calloc(1, sizeof *fakes);
    ow_err err = {0};
    assert_non_null(fakes);
    f->own = fakes;
    ow_service_options options = {.descriptor = &overworld__identity__v1__identity__descriptor,
                                  .methods = fake_identity,
                                  .api = f->api,
                                  .self = fakes,
                                  .loop = f->loop,
                                  .is_stand_in = true};
    ow_directory_expect_here(f->directory, options.descriptor);
    assert_ow_ok(ow_service_new(&options, &fakes->identity, &err), &err);
    assert_ow_ok(ow_directory_offer(f->directory, fakes->identity, &err), &err);
}

static void withdraw_identity(fixture *f) {
    data_fakes *fakes = f->own;
    ow_directory_withdraw(f->directory, fakes->identity);
    ow_loop_turn(f->loop, 0, NULL);
    ow_service_free(fakes->identity);
    free(fakes);
}

static const subject about = {
    .module = &ow_data_module,
    .service = &overworld__data__v1__data__descriptor,
    .before = offer_identity,
    .after = withdraw_identity,
};

int data_setup(void **state) {
    return harness_setup(state, &about);
}
