// ow sub ...: what follows from events.

#include "cli/list.h"
#include "cli/target.h"

#include "core/json/check.h"
#include "core/json/walk.h"
#include "overworld/events/v1/events.pb-c.h"

#include <stdio.h>
#include <string.h>

#define EVENTS_PATH "/overworld.events.v1.Events/"

enum { GROUPS_MAX = 16, CONDITIONS_MAX = 64, PAGE = 200 };

typedef Overworld__Api__Condition Condition;
typedef Overworld__Api__ConditionGroup ConditionGroup;
typedef Overworld__Api__Subscription Subscription;
typedef Overworld__Events__V1__SubscriptionState SubscriptionState;

// ---- Conditions: [[{"pointer": "/level", "operator": "ge", "value": 10}, ...], ...] ----

static cli_exit bad_conditions(cli *c) {
    return cli_fail(c, CLI_USAGE,
                    "--when takes groups of conditions, as "
                    "'[[{\"pointer\":\"/level\",\"operator\":\"ge\",\"value\":10}]]'");
}

static bool read_condition(cli *c, const ow_json_slice *json, Condition *to) {
    ow_json_walk walk;
    ow_json_slice name, value;
    overworld__api__condition__init(to);
    if (!ow_json_walk_begin(&walk, json->text, json->size) || !walk.is_object) {
        return false;
    }
    while (ow_json_walk_next(&walk, &name, &value)) {
        char *key = ow_json_slice_string_in(c->arena, &name, NULL);
        if (key == NULL) {
            return false;
        }
        if (strcmp(key, "value") == 0) {
            to->value = ow_arena_memdup_in(c->arena, value.text, value.size);
        } else if (strcmp(key, "pointer") == 0) {
            to->pointer = ow_json_slice_string_in(c->arena, &value, NULL);
        } else if (strcmp(key, "operator") == 0) {
            to->operator_ = ow_json_slice_string_in(c->arena, &value, NULL);
        } else {
            return false;
        }
    }
    return to->value != NULL && to->pointer != NULL && to->operator_ != NULL;
}

static bool read_group(cli *c, const ow_json_slice *json, ConditionGroup *to) {
    ow_json_walk walk;
    ow_json_slice value;
    Condition *conditions = ow_arena_calloc(c->arena, CONDITIONS_MAX, sizeof *conditions);
    overworld__api__condition_group__init(to);
    to->all = ow_arena_calloc(c->arena, CONDITIONS_MAX, sizeof *to->all);
    if (conditions == NULL || to->all == NULL ||
        !ow_json_walk_begin(&walk, json->text, json->size) || walk.is_object) {
        return false;
    }
    while (ow_json_walk_next(&walk, NULL, &value)) {
        if (to->n_all == CONDITIONS_MAX || !read_condition(c, &value, &conditions[to->n_all])) {
            return false;
        }
        to->all[to->n_all] = &conditions[to->n_all];
        to->n_all++;
    }
    return true;
}

static cli_exit read_conditions(cli *c, Subscription *to) {
    const char *text = cli_text(c, "when");
    ow_json_walk walk;
    ow_json_slice value;
    if (text == NULL) {
        return CLI_OK;
    }
    ConditionGroup *groups = ow_arena_calloc(c->arena, GROUPS_MAX, sizeof *groups);
    to->any = ow_arena_calloc(c->arena, GROUPS_MAX, sizeof *to->any);
    if (groups == NULL || to->any == NULL || ow_json_check(text, strlen(text), 16, NULL) != OW_OK ||
        !ow_json_walk_begin(&walk, text, strlen(text)) || walk.is_object) {
        return bad_conditions(c);
    }
    while (ow_json_walk_next(&walk, NULL, &value)) {
        if (to->n_any == GROUPS_MAX || !read_group(c, &value, &groups[to->n_any])) {
            return bad_conditions(c);
        }
        to->any[to->n_any] = &groups[to->n_any];
        to->n_any++;
    }
    return CLI_OK;
}

// ---- Commands ----

// VIRTUAL_SERVER/FUNCTION, or a URL.
static cli_exit read_target(cli *c, const char *target, Subscription *to, char **ret_server) {
    const char *slash = strchr(target, '/');
    *ret_server = (char *)(uintptr_t) "";
    if (strncmp(target, "https://", 8) == 0 || strncmp(target, "http://", 7) == 0) {
        to->url = (char *)(uintptr_t)target;
        return CLI_OK;
    }
    if (slash == NULL) {
        return cli_fail(c, CLI_USAGE, "name the target as VIRTUAL_SERVER/FUNCTION or as a URL");
    }
    *ret_server = ow_arena_memdup_in(c->arena, target, (size_t)(slash - target));
    to->function = (char *)(uintptr_t)slash + 1;
    return CLI_OK;
}

static cli_exit read_subscription(cli *c, Subscription *to, char **ret_server,
                                  Google__Protobuf__Duration *wait) {
    overworld__api__subscription__init(to);
    to->name = (char *)(uintptr_t)c->args[0];
    to->event_type = (char *)(uintptr_t)c->args[1];
    to->alias = cli_text_or(c, "alias", "");
    to->args = cli_text_or(c, "args", "");
    to->ordering_key = cli_text_or(c, "order", "");
    to->batch_size = (int32_t)cli_int(c, "batch", 0);
    to->concurrency = (int32_t)cli_int(c, "concurrency", 0);
    google__protobuf__duration__init(wait);
    wait->seconds = cli_int(c, "batch-wait", 0);
    to->batch_wait = wait;
    cli_exit code = read_target(c, c->args[2], to, ret_server);
    return code == CLI_OK ? read_conditions(c, to) : code;
}

static cli_exit sub_create(cli *c) {
    Overworld__Events__V1__CreateSubscriptionRequest request =
        OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    SubscriptionState *reply;
    Subscription subscription;
    Google__Protobuf__Duration wait;
    request.subscription = &subscription;
    cli_exit code = read_subscription(c, &subscription, &request.virtual_server, &wait);
    if (code == CLI_OK) {
        code = cli_rpc(c, EVENTS_PATH "CreateSubscription", &request.base,
                       &overworld__events__v1__subscription_state__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%s\n", reply->subscription_id);
        if (reply->url_secret[0] != '\0') {
            printf("webhook secret, shown this once: %s\n", reply->url_secret);
        }
    }
    if (code == CLI_OK && subscription.url[0] == '\0') {
        cli_warn_of_target(
            c, &(cli_target){request.virtual_server, subscription.function, subscription.alias});
    }
    return code;
}

static void add_subscription(cli *c, cli_table *table, const void *entry) {
    const SubscriptionState *s = entry;
    const Subscription *declared = s->declared;
    cli_table_add(c, table, s->subscription_id);
    cli_table_add(c, table, declared->name);
    cli_table_add(c, table, declared->event_type);
    if (declared->url[0] != '\0') {
        cli_table_add(c, table, declared->url);
    } else {
        cli_table_addf(c, table, "%s/%s", s->virtual_server, declared->function);
    }
    cli_table_add(c, table, s->disabled ? "off" : "on");
    cli_table_add(c, table, s->from_manifest ? "manifest" : "hand");
}

static cli_exit sub_list(cli *c) {
    static const char *const columns[] = {"ID", "NAME", "TYPE", "TARGET", "STATE", "MADE BY", NULL};
    Overworld__Events__V1__ListSubscriptionsRequest request =
        OVERWORLD__EVENTS__V1__LIST_SUBSCRIPTIONS_REQUEST__INIT;
    request.virtual_server = cli_text_or(c, "vs", "");
    return cli_list_print(
        c,
        &(cli_list){.path = EVENTS_PATH "ListSubscriptions",
                    .request = &request.base,
                    .reply_type = &overworld__events__v1__list_subscriptions_response__descriptor,
                    .columns = columns,
                    .add_row = add_subscription,
                    .if_empty = "No subscriptions fit. ow sub create NAME TYPE TARGET makes one."});
}

// ---- Which one: its id, its name, or VS/NAME ----

static bool is_named(cli *c, const SubscriptionState *s, const char *word) {
    const char *name = s->declared->name;
    const char *full = ow_arena_printf_in(c->arena, "%s/%s", s->virtual_server, name);
    return strcmp(s->subscription_id, word) == 0 || strcmp(name, word) == 0 ||
           (full != NULL && strcmp(full, word) == 0);
}

// Adds those of a page that the word names: *ret_found is the last.
static int count_named(cli *c, const Overworld__Events__V1__ListSubscriptionsResponse *page,
                       const char *word, SubscriptionState **ret_found) {
    int count = 0;
    for (size_t i = 0; i < page->n_subscriptions; i++) {
        if (is_named(c, page->subscriptions[i], word)) {
            *ret_found = page->subscriptions[i];
            count++;
        }
    }
    return count;
}

static cli_exit find(cli *c, SubscriptionState **ret_found) {
    const char *word = c->args[0];
    Overworld__Events__V1__ListSubscriptionsRequest request =
        OVERWORLD__EVENTS__V1__LIST_SUBSCRIPTIONS_REQUEST__INIT;
    Overworld__Events__V1__ListSubscriptionsResponse *page;
    int count = 0;
    request.page_size = PAGE;
    do {
        cli_exit code =
            cli_rpc(c, EVENTS_PATH "ListSubscriptions", &request.base,
                    &overworld__events__v1__list_subscriptions_response__descriptor, false, &page);
        if (code != CLI_OK) {
            return code;
        }
        count += count_named(c, page, word, ret_found);
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0] != '\0');
    if (count > 1) {
        return cli_fail(c, CLI_CONFLICT,
                        "%d subscriptions have the name %s: use VS/NAME or the id that ow sub list "
                        "shows",
                        count, word);
    }
    return count == 1 ? CLI_OK
                      : cli_fail(c, CLI_NOT_FOUND,
                                 "there is no subscription %s; ow sub list shows them", word);
}

static cli_exit switch_to(cli *c, bool disabled) {
    Overworld__Events__V1__SetSubscriptionDisabledRequest request =
        OVERWORLD__EVENTS__V1__SET_SUBSCRIPTION_DISABLED_REQUEST__INIT;
    SubscriptionState *reply;
    cli_exit code = find(c, &reply);
    if (code != CLI_OK) {
        return code;
    }
    request.subscription_id = reply->subscription_id;
    request.disabled = disabled;
    request.reason = disabled ? cli_text_or(c, "reason", "") : (char *)(uintptr_t) "";
    code = cli_rpc(c, EVENTS_PATH "SetSubscriptionDisabled", &request.base,
                   &overworld__events__v1__subscription_state__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, "%s is %s%s%s", reply->declared->name, reply->disabled ? "off" : "on",
                reply->disabled_reason[0] != '\0' ? ": " : "", reply->disabled_reason);
    }
    return code;
}

static cli_exit sub_off(cli *c) {
    return switch_to(c, true);
}

static cli_exit sub_on(cli *c) {
    return switch_to(c, false);
}

static cli_exit sub_delete(cli *c) {
    Overworld__Events__V1__DeleteSubscriptionRequest request =
        OVERWORLD__EVENTS__V1__DELETE_SUBSCRIPTION_REQUEST__INIT;
    Overworld__Events__V1__DeleteSubscriptionResponse *reply;
    SubscriptionState *found;
    cli_exit code = find(c, &found);
    if (code != CLI_OK) {
        return code;
    }
    request.subscription_id = found->subscription_id;
    code = cli_rpc(c, EVENTS_PATH "DeleteSubscription", &request.base,
                   &overworld__events__v1__delete_subscription_response__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", found->declared->name);
    }
    return code;
}

static cli_exit sub_try(cli *c) {
    Overworld__Events__V1__TrySubscriptionRequest request =
        OVERWORLD__EVENTS__V1__TRY_SUBSCRIPTION_REQUEST__INIT;
    Overworld__Events__V1__TrySubscriptionResponse *reply;
    SubscriptionState *found;
    cli_exit code = find(c, &found);
    if (code != CLI_OK) {
        return code;
    }
    request.subscription_id = found->subscription_id;
    request.trigger_id = (char *)(uintptr_t)c->args[1];
    code = cli_rpc(c, EVENTS_PATH "TrySubscription", &request.base,
                   &overworld__events__v1__try_subscription_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s%s\n", reply->matches ? "matches" : "does not match: ", reply->why_not);
        printf("%s\n", reply->envelope_json);
    }
    return code;
}

// ---- The table ----

static const cli_flag create_flags[] = {
    {"when", CLI_FLAG_TEXT, "JSON", "groups of conditions on the data, one of which must hold"},
    {"alias", CLI_FLAG_TEXT, "NAME", "of the virtual server (default $DEFAULT)"},
    {"args", CLI_FLAG_TEXT, "JSON", "goes to the function with each event"},
    {"order", CLI_FLAG_TEXT, "POINTER", "events with the same value there keep their order"},
    {"batch", CLI_FLAG_INT, "N", "so many events at a time"},
    {"batch-wait", CLI_FLAG_INT, "S", "but wait no longer for them"},
    {"concurrency", CLI_FLAG_INT, "N", "so many runs at a time"},
    {0},
};

static const cli_flag off_flags[] = {
    {"reason", CLI_FLAG_TEXT, "TEXT", "for people"},
    {0},
};

static const cli_flag list_flags[] = {
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {0},
};

const cli_command subscription_commands[] = {
    {"sub create", "NAME TYPE TARGET", "have a function called, or a URL, for each event", 3, 3,
     create_flags, sub_create,
     "ow sub create rating match.ended arena/update_rating --order /room"},
    {"sub list", "", "subscriptions to events", 0, 0, list_flags, sub_list,
     "ow sub list --vs arena"},
    {"sub off", "SUBSCRIPTION", "switch one off, by its id, its name or as VS/NAME", 1, 1,
     off_flags, sub_off, "ow sub off rating --reason maintenance"},
    {"sub on", "SUBSCRIPTION", "switch one on again", 1, 1, NULL, sub_on, "ow sub on rating"},
    {"sub delete", "SUBSCRIPTION", "delete one", 1, 1, NULL, sub_delete, "ow sub delete rating"},
    {"sub try", "SUBSCRIPTION TRIGGER_ID", "hold a past event against one; runs nothing", 2, 2,
     NULL, sub_try, "ow sub try rating trg_01..."},
    {0},
};
