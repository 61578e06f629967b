-- wrk: POSTs the lines of a file as bodies, each once, then over again.
-- Arguments: file.
local bodies, next_body = {}, 0

function init(args)
    for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    next_body = next_body % #bodies + 1
    wrk.body = bodies[next_body]
    return wrk.format()
end
-- What every script prints at the end, for the bench to read.
function done(summary, latency)
    io.write(string.format(
        "RESULT requests=%d duration_us=%d errors=%d p50_us=%d p99_us=%d max_us=%d\n",
        summary.requests, summary.duration,
        summary.errors.connect + summary.errors.read + summary.errors.write +
            summary.errors.status + summary.errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
