#include "tests/conformance/db/sqlite_factory.h"

// The suite on SQLite: as it runs in production, with every write run twice, and through the fault
// driver with nothing planned.
int main(void) {
    sqlite_place place;
    sqlite_place_init(&place, NULL);
    db_factory plain = sqlite_factory(&place, "sqlite", false);
    db_factory twice = sqlite_factory(&place, "sqlite_rerun", true);
    int failures = db_conformance_run(&plain) + db_conformance_run(&twice);

    ow_db_fault_plan nothing = {0};
    place.plan = &nothing;
    db_factory wrapped = sqlite_factory(&place, "sqlite_wrapped", false);
    failures += db_conformance_run(&wrapped);
    sqlite_place_deinit(&place);
    return failures;
}
