-- SPDX-License-Identifier: MPL-2.0
-- Asks fairvisord about each request with HAProxy's own HTTP client (core.httpclient, HAProxy 2.6 or newer) and answers the
-- client itself when the verdict is no. HAProxy needs nothing installed for it but its Lua, which Debian's package has.
--
-- In haproxy.cfg:
--     global
--         lua-load-per-thread /etc/haproxy/fairvisor.lua
--     frontend ...
--         http-request lua.fairvisor closed        # or: open
-- haproxy.cfg beside this file is complete.
--
-- `closed` answers 503 while fairvisord gives no verdict, `open` lets such requests pass, unlimited. A verdict is obeyed either
-- way. The request's body is not sent to fairvisord and not touched.

-- HAProxy's HTTP client sends a question up to four times when no answer comes in time, and each is charged. So it asks a frontend of
-- this HAProxy, whose backend, `fairvisor` in haproxy.cfg, says where fairvisord listens, how long to wait, and not to ask twice.
local FRONTEND = "abns@fairvisor"
local TIMEOUT_MS = 60000 -- longer than the backend's, so that the backend's hold

-- What only a gateway may tell fairvisord, and what belongs to the client's connection alone.
local DROPPED = {
    ["host"] = true, ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true,
    ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true,
    ["x-original-method"] = true, ["x-original-uri"] = true, ["x-original-host"] = true,
    ["x-forwarded-for"] = true, ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true, ["x-forwarded-host"] = true,
    ["x-country-code"] = true, ["x-asn"] = true, ["x-asn-type"] = true, ["x-tor-exit"] = true,
    ["x-fairvisor-reject-status"] = true,
}

-- What of fairvisord's answer is about that answer's own connection.
local HOP_BY_HOP = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
                     ["keep-alive"] = true, ["date"] = true, ["server"] = true }

local function question(txn)
    local fields = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not DROPPED[name] then
            local list = {}
            for i = 0, #values do
                list[#list + 1] = values[i]
            end
            fields[name] = list
        end
    end
    fields["x-original-method"] = { txn.f:method() }
    local uri = txn.f:pathq() -- nothing of "http://host" and of OPTIONS *, which ask for no path
    fields["x-original-uri"] = { (uri or "") ~= "" and uri or "/" }
    fields["x-original-host"] = { txn.f:req_hdr("host") or "" }
    fields["x-forwarded-for"] = { tostring(txn.f:src()) }
    return fields
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body or "" })
    for name, values in pairs(answer.headers or {}) do
        if not HOP_BY_HOP[name] then
            for i = 0, #values do
                reply:add_header(name, values[i])
            end
        end
    end
    txn:done(reply)
end

local function unanswered(txn)
    local reply = txn:reply({ status = 503,
        body = '{"title":"Service Unavailable","status":503,"reason":"no verdict"}\n' })
    reply:add_header("content-type", "application/problem+json")
    reply:add_header("retry-after", "5")
    txn:done(reply)
end

local function ask(txn)
    local client = core.httpclient()
    return client:get({ url = "http://fairvisor/v1/decision", dst = FRONTEND, headers = question(txn), timeout = TIMEOUT_MS })
end

core.register_action("fairvisor", { "http-req" }, function(txn, on_silence)
    local is_answered, answer = pcall(ask, txn)
    local status = is_answered and answer and answer.status or 0

    if status >= 200 and status < 300 then
        for _, name in ipairs({ "ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining",
                                "ratelimit-reset", "x-fairvisor-reservation" }) do
            local values = answer.headers and answer.headers[name]
            if values then
                txn:set_var("txn.fairvisor_" .. name:gsub("-", "_"), values[0])
            end
        end
    elseif answer and answer.headers and answer.headers["x-fairvisor-status"] or (status >= 400 and status < 500) then
        refuse(txn, answer) -- a refusal, or fairvisord would not read this request
    elseif on_silence ~= "open" then
        unanswered(txn)
    end
end, 1)
