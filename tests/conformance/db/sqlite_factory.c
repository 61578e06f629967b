#include "tests/conformance/db/sqlite_factory.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void remove_files(const sqlite_place *place) {
    static const char *const suffixes[] = {".db", ".db-wal", ".db-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[320];
        snprintf(path, sizeof path, "%s/store/suite%s", place->folder, suffixes[i]);
        unlink(path);
    }
}

void sqlite_place_init(sqlite_place *place, const char *parent) {
    *place = (sqlite_place){0};
    const char *given = getenv("TEST_TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%s/owdb-XXXXXX",
             parent != NULL  ? parent
             : given != NULL ? given
                             : "/tmp");
    assert_non_null(mkdtemp(place->folder));
}

void sqlite_place_deinit(sqlite_place *place) {
    remove_files(place);
    char path[320];
    snprintf(path, sizeof path, "%s/store", place->folder);
    rmdir(path);
    rmdir(place->folder);
}

static ow_code open_store(void *self, ow_db_options *options, ow_db **ret_db, ow_err *err) {
    sqlite_place *place = self;
    snprintf(place->store, sizeof place->store, "%s/store", place->folder);
    options->name = "suite";
    options->folder = place->store;
    if (place->plan == NULL) {
        return ow_db_sqlite_open(options, ret_db, err);
    }
    ow_db_driver *driver = NULL;
    ow_code code = ow_db_sqlite_driver_new(options, &driver, err);
    if (code != OW_OK) {
        return code;
    }
    driver = ow_db_fault_driver_new(driver, place->plan);
    assert_non_null(driver);
    return ow_db_open_driver(options, driver, ret_db, err);
}

static void wipe(void *self) {
    remove_files(self);
}

db_factory sqlite_factory(sqlite_place *place, const char *name, bool rerun_writes) {
    return (db_factory){.name = name,
                        .open = open_store,
                        .wipe = wipe,
                        .self = place,
                        .rerun_writes = rerun_writes};
}
