#pragma once

// What this is a build of: --version, the status and the metrics say so.
#define OVERWORLD_VERSION "0.1.0"
