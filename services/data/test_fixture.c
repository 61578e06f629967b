#include "services/data/test_fixture.h"

#include "services/data/data.h"

#include "core/rpc/service.h"
#include "overworld/identity/v1/identity.pb-c.h"

#include <stdlib.h>
#include <string.h>

const stage_caller server = {.kind = OW_SERVER, .id = "key_1", .title = "ttl_a"};
const stage_caller stranger = {.kind = OW_SERVER, .id = "key_2", .title = "ttl_b"};
const stage_caller admin = {
    .kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const stage_caller viewer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const stage_caller platform = {.kind = OW_PLATFORM, .id = "", .title = "ttl_a"};

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
    assert_non_null(fakes);
    f->own = fakes;
    ow_directory_expect_here(f->stage.directory, &overworld__identity__v1__identity__descriptor);
    fakes->identity = stage_offer(&f->stage, &overworld__identity__v1__identity__descriptor,
                                  fake_identity, fakes);
}

static void withdraw_identity(fixture *f) {
    data_fakes *fakes = f->own;
    ow_directory_withdraw(f->stage.directory, fakes->identity);
    ow_loop_turn(f->stage.loop, 0, NULL);
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
    return fixture_setup(state, &about);
}
