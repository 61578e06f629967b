#include "services/telemetry/telemetry.h"

#include "services/telemetry/internal.h"
#include "services/telemetry/migrations/migrations.h"

#include "core/hosting/hosting.h"
#include "core/http/mail.h"
#include "core/rpc/directory.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stddef.h>
#include <stdlib.h>

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(telemetry_config, readers),
     .default_value = "2",
     .min = 1,
     .max = 8,
     .doc = "Threads that search the log store."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(telemetry_config, max_waiting_writes),
     .default_value = "256",
     .min = 1,
     .max = 65536,
     .doc = "Blocks of records that may wait to be written; more are dropped and counted."},
    {.name = "max_size",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(telemetry_config, max_bytes),
     .default_value = "1GB",
     .min = 1 << 20,
     .max = (int64_t)1 << 44,
     .doc = "How much is kept; the oldest records go first."},
    {.name = "max_age",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(telemetry_config, max_age_us),
     .default_value = "7d",
     .min = 60 * 1000000,
     .max = (int64_t)3650 * 24 * 3600 * 1000000,
     .doc = "How long records are kept."},
    {.name = "max_waiting_queries",
     .type = OW_CONFIG_INT,
     .offset = offsetof(telemetry_config, max_waiting_queries),
     .default_value = "64",
     .min = 1,
     .max = 4096,
     .doc = "Queries that may wait for new log entries at a time."},
    {.name = "otlp_endpoint",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, otlp_endpoint),
     .default_value = "",
     .doc =
         "Where traces are sent as OTLP/HTTP JSON, as https://collector:4318; empty: nowhere. The "
         "rules of server.egress_* hold."},
    {.name = "otlp_header",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, otlp_header),
     .default_value = "",
     .doc = "A header that goes with them, as Authorization: Bearer ..."},
    {.name = "otlp_max_waiting",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(telemetry_config, otlp_max_waiting),
     .default_value = "16MB",
     .min = 1 << 16,
     .max = (int64_t)1 << 32,
     .doc = "How much of them may wait to be sent; more is dropped and counted."},
    {.name = "smtp_server",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, smtp_server),
     .default_value = "",
     .doc = "By whom alarms are mailed, as smtps://mail.example.com:465, or smtp://...:587 with "
            "STARTTLS, which only a loopback address may lack; empty: they are not. The rules of "
            "server.egress_* hold."},
    {.name = "smtp_user",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, smtp_user),
     .default_value = "",
     .doc = "Whom to log in as there; empty: without a login."},
    {.name = "smtp_password_file",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, smtp_password_file),
     .default_value = "",
     .doc = "File with the password, which others must not be able to read."},
    {.name = "smtp_from",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(telemetry_config, smtp_from),
     .default_value = "",
     .doc = "The sender's address, as overworld@example.com."},
    {0},
};

static void register_metrics(telemetry *t) {
    ow_metrics *m = t->env->metrics;
    t->blocks =
        ow_metrics_counter(m, "overworld_telemetry_blocks_total", "Blocks of records stored", NULL);
    t->records = ow_metrics_counter(m, "overworld_telemetry_records_total", "Records stored", NULL);
    t->bytes = ow_metrics_counter(m, "overworld_telemetry_appended_bytes_total",
                                  "Size of the records stored", NULL);
    t->dropped = ow_metrics_counter(m, "overworld_telemetry_dropped_records_total",
                                    "Records lost on the way, as the senders report", NULL);
    t->uncounted = ow_metrics_counter(m, "overworld_telemetry_uncounted_records_total",
                                      "Records that no series has, of blocks with too many", NULL);
    t->retainer.bytes =
        ow_metrics_gauge(m, "overworld_telemetry_stored_bytes", "Size of the records kept", NULL);
    t->retainer.deleted = ow_metrics_counter(m, "overworld_telemetry_deleted_blocks_total",
                                             "Blocks deleted for size or age", NULL);
}

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    telemetry *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for telemetry");
    }
    t->env = env;
    t->config = *(const telemetry_config *)config;
    register_metrics(t);
    ow_directory_expect_here(env->directory, &overworld__telemetry__v1__telemetry__descriptor);
    *ret_self = t;
    return OW_OK;
}

static ow_code open_store(telemetry *t, ow_err *err) {
    ow_db_options options = {
        .name = "telemetry",
        .migrations = telemetry_migrations,
        .readers = (int)t->config.readers,
        .page_bytes = STORE_PAGE_BYTES,
        .max_waiting_writes = (int)t->config.max_waiting_writes,
    };
    return ow_hosting_open_store(t->env, &options, &t->db, err);
}

static ow_code offer_service(telemetry *t, ow_err *err) {
    ow_backup_options backup = {
        .loop = t->env->loop, .data_folder = t->env->data_folder, .store = "telemetry"};
    t->backup = ow_backup_new(&backup);
    if (t->backup == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for backups");
    }
    ow_service_options options = {
        .descriptor = &overworld__telemetry__v1__telemetry__descriptor,
        .methods = telemetry_methods,
        .self = t,
        .db = t->db,
    };
    return ow_hosting_offer(t->env, &options, &t->service, err);
}

static ow_code check_mail(const telemetry_config *c, ow_err *err) {
    if (c->smtp_server[0] == 0) {
        return OW_OK;
    }
    if (!ow_mail_is_address(c->smtp_from)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "telemetry.smtp_from must be the address that mails come from");
    }
    if ((c->smtp_user[0] != 0) != (c->smtp_password_file[0] != 0)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "telemetry.smtp_user and telemetry.smtp_password_file go together");
    }
    return ow_mail_check_server(c->smtp_server, err);
}

static ow_code open_alarms(telemetry *t, ow_err *err) {
    const telemetry_config *c = &t->config;
    ow_code code = check_mail(c, err);
    if (code == OW_OK && c->smtp_password_file[0] != 0) {
        code = ow_secret_load(c->smtp_password_file, &t->smtp_password, err);
    }
    if (code != OW_OK) {
        return code;
    }
    alarms_options options = {
        .loop = t->env->loop,
        .db = t->db,
        .clock = t->env->clock,
        .metrics = t->env->metrics,
        .targets = {.loop = t->env->loop,
                    .clock = t->env->clock,
                    .client = t->env->outgoing,
                    .runner = ow_directory_get(t->env->directory,
                                               &overworld__runner__v1__runner__descriptor),
                    .mail = {c->smtp_server, c->smtp_user, t->smtp_password.bytes, c->smtp_from}},
    };
    t->alarms = options.targets.runner != NULL ? alarms_new(&options) : NULL;
    return t->alarms != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for telemetry");
}

static ow_code open_exporter(telemetry *t, ow_err *err) {
    if (t->config.otlp_endpoint[0] == 0) {
        return OW_OK;
    }
    exporter_options options = {
        .loop = t->env->loop,
        .client = t->env->outgoing,
        .metrics = t->env->metrics,
        .endpoint = t->config.otlp_endpoint,
        .header = t->config.otlp_header,
        .max_bytes = t->config.otlp_max_waiting,
    };
    return exporter_new(&options, &t->exporter, err);
}

static ow_code start(void *self, ow_err *err) {
    telemetry *t = self;
    ow_code code = open_store(t, err);
    if (code != OW_OK) {
        return code;
    }
    ow_gauge *waiting = ow_metrics_gauge(t->env->metrics, "overworld_telemetry_waiting_queries",
                                         "Queries that wait for new log entries", NULL);
    t->queries = queries_new(t->env->loop, t->db, (int)t->config.max_waiting_queries, waiting);
    if (t->queries == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for telemetry");
    }
    t->watchers.loop = t->env->loop;
    t->watchers.gauge = ow_metrics_gauge(t->env->metrics, "overworld_telemetry_watchers",
                                         "Streams that tell what changes", NULL);
    code = open_alarms(t, err);
    code = code == OW_OK ? open_exporter(t, err) : code;
    code = code == OW_OK ? offer_service(t, err) : code;
    if (code == OW_OK) {
        t->retainer.loop = t->env->loop;
        t->retainer.db = t->db;
        t->retainer.clock = t->env->clock;
        t->retainer.max_bytes = t->config.max_bytes;
        t->retainer.max_age_us = t->config.max_age_us;
        retainer_init(&t->retainer);
    }
    return code;
}

static bool ready(void *self, const char **why_not) {
    (void)self;
    (void)why_not;
    return true;
}

static void drain(void *self) {
    telemetry *t = self;
    queries_stop(t->queries);
    watchers_stop(&t->watchers);
}

static bool drained(void *self) {
    const telemetry *t = self;
    return ow_service_running(t->service) == 0;
}

static void stop(void *self) {
    telemetry *t = self;
    retainer_stop(&t->retainer);
    if (t->alarms != NULL) {
        alarms_stop(t->alarms);
    }
    if (t->queries != NULL) {
        queries_stop(t->queries);
    }
    watchers_stop(&t->watchers);
    if (t->service != NULL) {
        ow_directory_withdraw(t->env->directory, t->service);
    }
    t->db = ow_db_close(t->db);
    t->exporter = exporter_free(t->exporter);
    t->alarms = alarms_free(t->alarms);
}

static void free_self(void *self) {
    telemetry *t = self;
    if (t == NULL) {
        return;
    }
    ow_service_free(t->service);
    ow_backup_free(t->backup);
    queries_free(t->queries);
    ow_secret_deinit(&t->smtp_password);
    free(t);
}

const ow_module ow_telemetry_module = {
    .name = "telemetry",
    .doc = "logs of requests and functions",
    .config = config_keys,
    .config_size = sizeof(telemetry_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
