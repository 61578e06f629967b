// How fast events become executions: one title, 100 subscriptions of three conditions each, half of which
// are about every event; durable, in requests of 100 events. Nothing is run meanwhile.
//
//     bazel run //services/events:spread_cost -- EVENTS

#include "services/events/event_messages.h"
#include "services/events/events.h"
#include "services/events/messages.h"
#include "tests/stage/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS (&overworld__events__v1__events__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))

enum { SUBSCRIPTIONS = 100, BATCH = 100, EVENTS_DEFAULT = 2000 };

static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};

static const char data[] =
    "{\"level\":12,\"room\":\"red\",\"player\":{\"id\":\"plr_1\",\"gold\":\"250\"}}";

static void *ask(stage *s, const char *method, const void *request) {
    void *reply = stage_call(s, EVENTS, method, request, &developer);
    if (reply == NULL) {
        fprintf(stderr, "spread_cost: %s: %s\n", method, s->err.message);
        exit(1);
    }
    return reply;
}

// Nothing runs: every run stays where it is.
static ow_code invoke(ow_run *run) {
    (void)run;
    return OW_PENDING;
}

static const ow_method runner_methods[] = {{"Invoke", 0, {{OW_LOOP, invoke}}}, {0}};

static void offer_runner(stage *s) {
    ProtobufCService *runner = NULL;
    ow_service_options options = {.descriptor = &overworld__runner__v1__runner__descriptor,
                                  .methods = runner_methods,
                                  .api = s->api,
                                  .loop = s->loop,
                                  .is_stand_in = true};
    if (ow_service_new(&options, &runner, &s->err) != OW_OK ||
        ow_directory_offer(s->directory, runner, &s->err) != OW_OK) {
        exit(1);
    }
}

static void subscribe(stage *s, int number) {
    static const char *const texts[3][3] = {
        {"/room", "eq", "\"red\""}, {"/player/gold", "lt", "1000"}, {"/level", "ge", NULL}};
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    subscription_msg wish = OVERWORLD__API__SUBSCRIPTION__INIT;
    condition_msg conditions[3];
    condition_msg *all[3];
    condition_group_msg group = OVERWORLD__API__CONDITION_GROUP__INIT;
    condition_group_msg *any[] = {&group};
    char name[20];
    snprintf(name, sizeof name, "s%d", number);
    for (int i = 0; i < 3; i++) {
        overworld__api__condition__init(&conditions[i]);
        conditions[i].pointer = TEXT(texts[i][0]);
        conditions[i].operator_ = TEXT(texts[i][1]);
        conditions[i].value = TEXT(texts[i][2] != NULL ? texts[i][2]
                                   : number % 2 == 0   ? "10"
                                                       : "20");
        all[i] = &conditions[i];
    }
    group.all = all;
    group.n_all = 3;
    wish.name = name;
    wish.event_type = TEXT("match.*");
    wish.function = TEXT("react");
    wish.any = any;
    wish.n_any = 1;
    request.virtual_server = TEXT("arena");
    request.subscription = &wish;
    ask(s, "CreateSubscription", &request);
}

// The trigger_id of the last one.
static const char *publish(stage *s) {
    new_event_msg events[BATCH];
    new_event_msg *list[BATCH];
    publish_request request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    for (int i = 0; i < BATCH; i++) {
        overworld__events__v1__new_event__init(&events[i]);
        events[i].type = TEXT("match.ended");
        events[i].data = (ProtobufCBinaryData){sizeof data - 1, (uint8_t *)TEXT(data)};
        list[i] = &events[i];
    }
    request.events = list;
    request.n_events = BATCH;
    const publish_response *reply = ask(s, "Publish", &request);
    return reply->events[BATCH - 1]->trigger_id;
}

static int64_t wait_until_spread(stage *s, const char *trigger_id) {
    get_occurrence_request request = OVERWORLD__EVENTS__V1__GET_OCCURRENCE_REQUEST__INIT;
    request.trigger_id = TEXT(trigger_id);
    const occurrence_msg *o = ask(s, "GetOccurrence", &request);
    while (o->spreading) {
        usleep(1000);
        o = ask(s, "GetOccurrence", &request);
    }
    return o->matched;
}

int main(int argc, char **argv) {
    int events = argc > 1 ? (int)strtol(argv[1], NULL, 10) : EVENTS_DEFAULT;
    declare_event_type_request type = OVERWORLD__EVENTS__V1__DECLARE_EVENT_TYPE_REQUEST__INIT;
    stage s;
    stage_open(&s, &ow_events_module, OW_CHANNEL_LOCAL, NULL);
    s.env.rerun_writes = false; // as outside of tests
    offer_runner(&s);
    stage_start(&s);
    type.name = TEXT("match.ended");
    ask(&s, "DeclareEventType", &type);
    for (int i = 0; i < SUBSCRIPTIONS; i++) {
        subscribe(&s, i);
    }
    int64_t began_us = ow_loop_now_us(s.loop);
    const char *last = "";
    for (int i = 0; i < events; i += BATCH) {
        last = publish(&s);
    }
    int64_t accepted_us = ow_loop_now_us(s.loop) - began_us;
    int64_t matched = wait_until_spread(&s, last);
    int64_t spread_us = ow_loop_now_us(s.loop) - began_us;
    printf("%d events, %d subscriptions, %lld matching: accepted %.0f/s; spread %.0f events/s, "
           "%.0f executions/s\n",
           events, SUBSCRIPTIONS, (long long)matched, events * 1e6 / (double)accepted_us,
           events * 1e6 / (double)spread_us, (double)(events * matched) * 1e6 / (double)spread_us);
    fflush(stdout);
    _exit(0); // the runs that are held go with the process
}
