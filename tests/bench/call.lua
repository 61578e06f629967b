-- wrk: POST /v1/call/bench/echo with the token of another player for each request.
-- Arguments: file with one token a line (may be empty: no token).
local tokens, next_token = {}, 0
local body = '{"player":"Ada","x":12.5,"y":-3.25,"hp":100,"items":["sword","rope"],"round":7,"ok":true}'

function init(args)
    if args[1] then
        for line in io.lines(args[1]) do tokens[#tokens + 1] = line end
    end
    wrk.method = "POST"
    wrk.body = body
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    if #tokens > 0 then
        next_token = next_token % #tokens + 1
        wrk.headers["Authorization"] = "Bearer " .. tokens[next_token]
    end
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
