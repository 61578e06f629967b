// Instead of the portal, in builds with --define portal=stub: they need neither node nor npm.

#include "portal/table.h"

static const char page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Overworld</title>"
    "<p>This server was built without its web console (--define portal=stub). "
    "The command line, ow, does all that it does.</p></html>";

const ow_portal_asset ow_portal_assets[] = {
    {"/index.html", "text/html; charset=utf-8", (const uint8_t *)page, sizeof page - 1, true},
    {0},
};
