#include "core/db/testing/fault_driver.h"

#include <stdlib.h>

typedef struct fault_driver {
    ow_db_driver driver; // first
    ow_db_driver_ops ops;
    ow_db_driver *inner;
    ow_db_fault_plan *plan;
} fault_driver;

struct ow_db_link {
    const ow_db_driver_ops *ops; // of the inner driver
    ow_db_link *inner;
    ow_db_fault_plan *plan; // NULL: never fails
    ow_db_trouble trouble;
};

struct ow_db_statement {
    ow_db_link *link;
    ow_db_statement *inner;
};

static bool is_due(ow_db_link *link, ow_db_fault_point point) {
    ow_db_fault_plan *plan = link->plan;
    if (plan == NULL) {
        return false;
    }
    ow_db_fault_point wanted = atomic_load(&plan->point);
    if (wanted != point && wanted != OW_DB_FAULT_ANYWHERE) {
        return false;
    }
    atomic_fetch_add(&plan->seen, 1);
    if (atomic_load(&plan->count) <= 0 || atomic_fetch_sub(&plan->skip, 1) > 0) {
        return false;
    }
    atomic_fetch_sub(&plan->count, 1);
    return true;
}

static ow_code fail(ow_db_link *link, ow_err *err) {
    switch (atomic_load(&link->plan->kind)) {
    case OW_DB_FAULT_FULL:
        link->trouble = OW_DB_FULL;
        return ow_fail(err, OW_UNAVAILABLE, "disk_full", "planned fault");
    case OW_DB_FAULT_LOST:
        link->trouble = OW_DB_LOST;
        link->ops->rollback(link->inner);
        return ow_fail(err, OW_DEADLINE_EXCEEDED, "query_too_slow", "planned fault");
    default:
        link->trouble = OW_DB_BROKEN;
        return ow_fail(err, OW_INTERNAL, "store_io", "planned fault");
    }
}

// ---- Links ----

static ow_code link_connect(ow_db_driver *driver, ow_db_role role, ow_db_budget *budget,
                            ow_db_link **ret_link, ow_err *err) {
    fault_driver *self = (fault_driver *)driver;
    ow_db_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a connection");
    }
    link->ops = self->inner->ops;
    link->plan = role == OW_DB_WRITER ? self->plan : NULL;
    ow_code code = link->ops->connect(self->inner, role, budget, &link->inner, err);
    if (code != OW_OK) {
        free(link);
        return code;
    }
    *ret_link = link;
    return OW_OK;
}

static void link_disconnect(ow_db_link *link) {
    link->ops->disconnect(link->inner);
    free(link);
}

static void driver_close(ow_db_driver *driver) {
    fault_driver *self = (fault_driver *)driver;
    self->inner->ops->close(self->inner);
    free(self);
}

static ow_code link_begin(ow_db_link *link, ow_err *err) {
    link->trouble = OW_DB_FINE;
    return is_due(link, OW_DB_FAULT_BEGIN) ? fail(link, err) : link->ops->begin(link->inner, err);
}

static ow_code link_commit(ow_db_link *link, ow_err *err) {
    if (!is_due(link, OW_DB_FAULT_COMMIT)) {
        return link->ops->commit(link->inner, err);
    }
    if (atomic_load(&link->plan->kind) == OW_DB_FAULT_IO_AFTER_COMMIT) {
        link->ops->commit(link->inner, err);
    }
    return fail(link, err);
}

static void link_rollback(ow_db_link *link) {
    link->ops->rollback(link->inner);
}

static ow_code link_savepoint(ow_db_link *link, ow_err *err) {
    return link->ops->savepoint(link->inner, err);
}

static ow_code link_rollback_to(ow_db_link *link, ow_err *err) {
    return link->ops->rollback_to(link->inner, err);
}

static ow_code link_release(ow_db_link *link, ow_err *err) {
    return link->ops->release(link->inner, err);
}

static ow_db_trouble link_trouble(const ow_db_link *link) {
    ow_db_trouble inner = link->ops->trouble(link->inner);
    return inner > link->trouble ? inner : link->trouble;
}

static ow_code link_script(ow_db_link *link, const char *sql, ow_err *err) {
    return link->ops->script(link->inner, sql, err);
}

static ow_code link_copy(ow_db_link *link, const char *path, ow_err *err) {
    return link->ops->copy(link->inner, path, err);
}

static ow_code link_maintain(ow_db_link *link, ow_db_moment moment, ow_db_files *ret_files,
                             ow_err *err) {
    return is_due(link, OW_DB_FAULT_MAINTAIN)
               ? fail(link, err)
               : link->ops->maintain(link->inner, moment, ret_files, err);
}

// ---- Statements ----

static ow_code statement_prepare(ow_db_link *link, const char *sql, ow_db_statement **ret_statement,
                                 int *ret_parameters, ow_err *err) {
    ow_db_statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a statement");
    }
    statement->link = link;
    ow_code code = link->ops->prepare(link->inner, sql, &statement->inner, ret_parameters, err);
    if (code != OW_OK) {
        free(statement);
        return code;
    }
    *ret_statement = statement;
    return OW_OK;
}

static void statement_finalize(ow_db_statement *statement) {
    statement->link->ops->finalize(statement->inner);
    free(statement);
}

static ow_code statement_bind(ow_db_statement *statement, const ow_db_value *values, int count,
                              bool copy, ow_err *err) {
    return statement->link->ops->bind(statement->inner, values, count, copy, err);
}

static ow_code statement_step(ow_db_statement *statement, bool *ret_row, ow_err *err) {
    if (!is_due(statement->link, OW_DB_FAULT_STEP)) {
        return statement->link->ops->step(statement->inner, ret_row, err);
    }
    statement->link->ops->reset(statement->inner);
    return fail(statement->link, err);
}

static int64_t statement_changes(ow_db_statement *statement) {
    return statement->link->ops->changes(statement->inner);
}

static void statement_reset(ow_db_statement *statement) {
    statement->link->ops->reset(statement->inner);
}

static int64_t column_int(ow_db_statement *statement, int column) {
    return statement->link->ops->column_int(statement->inner, column);
}

static double column_double(ow_db_statement *statement, int column) {
    return statement->link->ops->column_double(statement->inner, column);
}

static const char *column_text(ow_db_statement *statement, int column) {
    return statement->link->ops->column_text(statement->inner, column);
}

static const void *column_blob(ow_db_statement *statement, int column, size_t *ret_size) {
    return statement->link->ops->column_blob(statement->inner, column, ret_size);
}

static bool column_is_null(ow_db_statement *statement, int column) {
    return statement->link->ops->column_is_null(statement->inner, column);
}

static const ow_db_driver_ops faulty_ops = {
    .connect = link_connect,
    .disconnect = link_disconnect,
    .close = driver_close,
    .begin = link_begin,
    .commit = link_commit,
    .rollback = link_rollback,
    .savepoint = link_savepoint,
    .rollback_to = link_rollback_to,
    .release = link_release,
    .trouble = link_trouble,
    .script = link_script,
    .prepare = statement_prepare,
    .finalize = statement_finalize,
    .bind = statement_bind,
    .step = statement_step,
    .changes = statement_changes,
    .reset = statement_reset,
    .column_int = column_int,
    .column_double = column_double,
    .column_text = column_text,
    .column_blob = column_blob,
    .column_is_null = column_is_null,
    .copy = link_copy,
    .maintain = link_maintain,
};

ow_db_driver *ow_db_fault_driver_new(ow_db_driver *inner, ow_db_fault_plan *plan) {
    fault_driver *self = calloc(1, sizeof *self);
    if (self == NULL) {
        inner->ops->close(inner);
        return NULL;
    }
    self->ops = faulty_ops;
    self->ops.blob_type = inner->ops->blob_type;
    self->ops.words = inner->ops->words;
    self->driver.ops = &self->ops;
    self->inner = inner;
    self->plan = plan;
    return &self->driver;
}
