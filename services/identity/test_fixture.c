#include "services/identity/test_fixture.h"

#include "services/identity/identity.h"

#include "core/rpc/service.h"
#include "overworld/data/v1/data.pb-c.h"

#include <stdlib.h>

const stage_caller nobody = {.kind = OW_NOBODY, .id = "", .title = "ttl_a"};
const stage_caller admin = {
    .kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const stage_caller viewer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const stage_caller owner = {.kind = OW_OPERATOR,
                            .role = OW_ROLE_ADMIN,
                            .id = "opr_3",
                            .title = "ttl_a",
                            .every_title = true};
const stage_caller platform = {.kind = OW_PLATFORM, .id = "", .title = ""};

// ---- What data would answer ----

static ow_code fake_erase(ow_run *run) {
    identity_fakes *fakes = run->self;
    Overworld__Data__V1__ErasePlayerResponse *reply = run->reply;
    if (fakes->data_away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "data is away");
    }
    fakes->erasures++;
    reply->more = fakes->erasures % 3 != 0; // in three slices
    return OW_OK;
}

static ow_code fake_list(ow_run *run) {
    Overworld__Data__V1__KvListResponse *reply = run->reply;
    const Overworld__Data__V1__KvListRequest *request = run->request;
    ow_arena *arena = run->call->arena;
    bool first = request->page_token[0] == '\0';
    reply->entries = ow_arena_calloc(arena, 1, sizeof *reply->entries);
    reply->entries[0] = ow_arena_alloc(arena, sizeof **reply->entries);
    overworld__data__v1__entry__init(reply->entries[0]);
    reply->entries[0]->key = ow_arena_strdup_in(arena, first ? "gold" : "silver");
    reply->entries[0]->value.data = ow_arena_memdup_in(arena, "12", 2);
    reply->entries[0]->value.len = 2;
    reply->n_entries = 1;
    reply->next_page_token = ow_arena_strdup_in(arena, first ? "more" : "");
    return OW_OK;
}

static const ow_method fake_data[] = {
    {"ErasePlayer", 0, {{OW_LOOP, fake_erase}}},
    {"KvList", 0, {{OW_LOOP, fake_list}}},
    {0},
};

static void offer_data(fixture *f) {
    identity_fakes *fakes = calloc(1, sizeof *fakes);
    assert_non_null(fakes);
    f->own = fakes;
    ow_directory_expect_here(f->stage.directory, &overworld__data__v1__data__descriptor);
    fakes->data = stage_offer(&f->stage, &overworld__data__v1__data__descriptor, fake_data, fakes);
}

static void withdraw_data(fixture *f) {
    identity_fakes *fakes = f->own;
    ow_directory_withdraw(f->stage.directory, fakes->data);
    ow_loop_turn(f->stage.loop, 0, NULL);
    ow_service_free(fakes->data);
    free(fakes);
}

static const subject identity = {
    .module = &ow_identity_module,
    .service = &overworld__identity__v1__identity__descriptor,
    .flag = "--identity.max_sessions=3",
    .streamed = "VerificationState",
    .before = offer_data,
    .after = withdraw_data,
};

int identity_setup(void **state) {
    return fixture_setup(state, &identity);
}
