// Events of many kilobytes, and many of them: what is done with them at a time is bounded, and all of it is done.

#include "services/events/event_messages.h"
#include "services/events/events.h"
#include "tests/stage/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS (&overworld__events__v1__events__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))

enum { SIZE = 200 << 10 };

static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};

typedef struct fixture {
    stage stage;
    ProtobufCService *runner;
    int runs, wanted;
    char data[SIZE];
} fixture;

static ow_code invoke(ow_run *run) {
    fixture *f = run->self;
    f->runs++;
    return OW_OK;
}

static const ow_method runner_methods[] = {{"Invoke", 0, {{OW_LOOP, invoke}}}, {0}};

static void *must(fixture *f, const char *method, const void *request) {
    void *reply = stage_call(&f->stage, EVENTS, method, request, &developer);
    if (reply == NULL) {
        fail_msg("%s: %s: %s", method, f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    declare_event_type_request type = OVERWORLD__EVENTS__V1__DECLARE_EVENT_TYPE_REQUEST__INIT;
    stage_open(&f->stage, &ow_events_module, OW_CHANNEL_LOCAL, NULL);
    f->runner =
        stage_offer(&f->stage, &overworld__runner__v1__runner__descriptor, runner_methods, f);
    stage_start(&f->stage);
    type.name = TEXT("large");
    must(f, "DeclareEventType", &type);
    memset(f->data, ' ', SIZE);
    f->data[SIZE - 1] = '1';
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    stage_close(&f->stage);
    ow_service_free(f->runner);
    free(f);
    return 0;
}

static bool has_run(void *self) {
    const fixture *f = self;
    return f->runs >= f->wanted;
}

static published_msg *publish(fixture *f) {
    new_event_msg event = OVERWORLD__EVENTS__V1__NEW_EVENT__INIT;
    new_event_msg *events[] = {&event};
    publish_request request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    event.type = TEXT("large");
    event.data = (ProtobufCBinaryData){SIZE, (uint8_t *)f->data};
    request.events = events;
    request.n_events = 1;
    const publish_response *reply = must(f, "Publish", &request);
    return reply->events[0];
}

static void subscribe(fixture *f, int number, bool matches) {
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    subscription_msg wish = OVERWORLD__API__SUBSCRIPTION__INIT;
    condition_msg condition = OVERWORLD__API__CONDITION__INIT;
    condition_msg *conditions[] = {&condition};
    condition_group_msg group = OVERWORLD__API__CONDITION_GROUP__INIT;
    condition_group_msg *groups[] = {&group};
    char name[20];
    snprintf(name, sizeof name, "s%d", number);
    condition.pointer = TEXT("/k");
    condition.operator_ = TEXT("exists");
    condition.value = TEXT(matches ? "false" : "true");
    group.all = conditions;
    group.n_all = 1;
    wish.name = name;
    wish.event_type = TEXT("large");
    wish.function = TEXT("react");
    wish.any = groups;
    wish.n_any = 1;
    request.virtual_server = TEXT("arena");
    request.subscription = &wish;
    must(f, "CreateSubscription", &request);
}

// More to look through than a publisher waits for: the slice ends, and the next one goes on behind it.
static void many_conditions_take_several_slices(void **state) {
    enum { MANY = 60 };
    fixture *f = *state;
    for (int i = 0; i <= MANY; i++) {
        subscribe(f, i, i == 0 || i == MANY);
    }
    const published_msg *told = publish(f);
    assert_int_equal(told->matched, 1);
    char trigger_id[OW_ID_MAX];
    snprintf(trigger_id, sizeof trigger_id, "%s", told->trigger_id);
    stage_restart(&f->stage);
    f->wanted = 2;
    stage_until(&f->stage, has_run, f);
    get_occurrence_request get = OVERWORLD__EVENTS__V1__GET_OCCURRENCE_REQUEST__INIT;
    get.trigger_id = trigger_id;
    const occurrence_msg *kept = must(f, "GetOccurrence", &get);
    assert_false(kept->spreading);
    assert_int_equal(kept->matched, 2);
    assert_int_equal(f->runs, 2);
}

// A developer's many large conditions: what they take together has a bound, and up to it the title publishes, whatever was
// read anew. Compiling them takes longer than a write may.
static void the_largest_rules_hold_nothing_up(void **state) {
    enum { CONDITIONS = 64, VALUE = 2000 };
    fixture *f = *state;
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    subscription_msg wish = OVERWORLD__API__SUBSCRIPTION__INIT;
    condition_msg condition = OVERWORLD__API__CONDITION__INIT;
    condition_msg *all[CONDITIONS];
    condition_group_msg group = OVERWORLD__API__CONDITION_GROUP__INIT;
    condition_group_msg *groups[] = {&group};
    char value[VALUE + 2], name[20];
    value[0] = '[';
    for (int i = 1; i < VALUE; i++) {
        value[i] = i % 2 == 1 ? '1' : ',';
    }
    value[VALUE] = ']'; // behind a digit
    value[VALUE + 1] = '\0';
    condition.pointer = TEXT("/k");
    condition.operator_ = TEXT("eq");
    condition.value = value;
    for (int i = 0; i < CONDITIONS; i++) {
        all[i] = &condition;
    }
    group.all = all;
    group.n_all = CONDITIONS;
    wish.event_type = TEXT("large");
    wish.function = TEXT("react");
    wish.any = groups;
    wish.n_any = 1;
    wish.name = name;
    request.virtual_server = TEXT("arena");
    request.subscription = &wish;
    int made = 0;
    do {
        snprintf(name, sizeof name, "s%d", made++);
    } while (stage_call(&f->stage, EVENTS, "CreateSubscription", &request, &developer) != NULL);
    assert_string_equal(f->stage.err.reason, "too_many_conditions");
    assert_true(made > 10 && made < 30);
    publish(f);
    stage_restart(&f->stage);
    publish(f);
}

// A page is shorter when its events are large, with their data or without.
static void a_page_of_large_events_is_short(void **state) {
    enum { MANY = 90 };
    fixture *f = *state;
    for (int i = 0; i < MANY; i++) {
        publish(f);
    }
    for (int data = 0; data < 2; data++) {
        list_occurrences_request list = OVERWORLD__EVENTS__V1__LIST_OCCURRENCES_REQUEST__INIT;
        char last[OW_ID_MAX] = "trg_zzzz";
        char token[200] = "";
        int seen = 0;
        list.page_size = 200;
        list.data = data != 0;
        do {
            list.page_token = token;
            const list_occurrences_response *page = must(f, "ListOccurrences", &list);
            assert_true(page->n_occurrences > 10 && page->n_occurrences < 40);
            for (size_t i = 0; i < page->n_occurrences; i++, seen++) {
                assert_true(strcmp(page->occurrences[i]->trigger_id, last) < 0);
                snprintf(last, sizeof last, "%s", page->occurrences[i]->trigger_id);
            }
            snprintf(token, sizeof token, "%s", page->next_page_token);
        } while (token[0] != '\0');
        assert_int_equal(seen, MANY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(many_conditions_take_several_slices, set_up, tear_down),
        OW_TEST_WITH(the_largest_rules_hold_nothing_up, set_up, tear_down),
        OW_TEST_WITH(a_page_of_large_events_is_short, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
