#pragma once

// Serves the probe on a socket in `folder` until SIGTERM (stops at once), SIGINT (drains first, at
// most 5 s, then 3 is returned) or until the parent ends; returns what main is to return.
int peer_main(const char *folder);
