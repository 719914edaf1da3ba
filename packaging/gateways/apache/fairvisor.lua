-- SPDX-License-Identifier: MPL-2.0
-- Asks fairvisord about each request, from Apache's mod_lua, over a connection that each of Apache's threads keeps. Needs
-- LuaSocket (Debian: lua-socket; Fedora: lua-socket). Apache's modules offer no other way: auth modules know yes and no but
-- not 429, and mod_proxy cannot ask a second server about a request it forwards.

local socket = require "socket"

local HOST, PORT = "127.0.0.1", 8080 -- where fairvisord listens
local CONNECT_SECONDS = 0.25
local ANSWER_SECONDS = 2 -- longer than the longest delay_ms of your policies (loop detection's throttle: 1 s)

-- What only a gateway may tell fairvisord, and what belongs to the client's connection alone.
local DROPPED = {
    ["host"] = true, ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true,
    ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true,
    ["x-original-method"] = true, ["x-original-uri"] = true, ["x-original-host"] = true,
    ["x-forwarded-for"] = true, ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true, ["x-forwarded-host"] = true,
    ["x-country-code"] = true, ["x-asn"] = true, ["x-asn-type"] = true, ["x-tor-exit"] = true,
    ["x-fairvisor-reject-status"] = true,
}

-- Of an allowed answer: what tells the client where it stands.
local SHOWN = { ["ratelimit"] = true, ["ratelimit-policy"] = true, ["ratelimit-limit"] = true,
                ["ratelimit-remaining"] = true, ["ratelimit-reset"] = true }

local kept -- this thread's idle connection

local function connect()
    local peer = socket.tcp()
    peer:settimeout(CONNECT_SECONDS)
    if not peer:connect(HOST, PORT) then
        peer:close()
        return nil
    end
    peer:setoption("tcp-nodelay", true)
    return peer
end

local function question(r)
    local lines = { "GET /v1/decision HTTP/1.1\r\nHost: fairvisor\r\n",
                    "X-Original-Method: ", r.method, "\r\nX-Original-URI: ", r.unparsed_uri,
                    "\r\nX-Original-Host: ", r.headers_in["Host"] or "",
                    "\r\nX-Forwarded-For: ", r.useragent_ip, "\r\n" }
    for name, value in pairs(r:headers_in_table()) do
        if not DROPPED[name:lower()] then
            lines[#lines + 1] = name .. ": " .. value .. "\r\n"
        end
    end
    lines[#lines + 1] = "\r\n"
    return table.concat(lines)
end

-- Reads one answer by its framing: fairvisord always tells the length. nil when it does not come whole and in time.
local function read_answer(peer)
    local deadline = socket.gettime() + ANSWER_SECONDS
    local function receive(pattern)
        local left = deadline - socket.gettime()
        if left <= 0 then
            return nil
        end
        peer:settimeout(left)
        return peer:receive(pattern)
    end
    local line = receive("*l")
    local status = line and line:match("^HTTP/1%.1 (%d%d%d)")
    if not status then
        return nil
    end
    local answer = { status = tonumber(status), fields = {}, body = "" }
    while true do
        line = receive("*l")
        if not line then
            return nil
        elseif line == "" then
            break
        end
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        if name then
            answer.fields[name:lower()] = { name, value }
        end
    end
    local length = answer.fields["content-length"]
    if length and tonumber(length[2]) > 0 then
        answer.body = receive(tonumber(length[2]))
        if not answer.body then
            return nil
        end
    end
    local connection = answer.fields["connection"]
    answer.closes = connection and connection[2]:lower() == "close"
    return answer
end

local function ask(r)
    local text = question(r)
    -- A connection that was idle may be closed by now; nothing was judged then, so a new one asks again. An answer that does not
    -- come in time is not asked for twice.
    for _ = 1, 2 do
        local is_old, peer = kept ~= nil, kept or connect()
        kept = nil
        if not peer then
            return nil
        end
        local began = socket.gettime()
        local answer = peer:send(text) and read_answer(peer)
        if answer and not answer.closes then
            kept = peer
        else
            peer:close()
        end
        if answer or not is_old or socket.gettime() - began > CONNECT_SECONDS then
            return answer
        end
    end
end

-- What fairvisord said goes to the client as it is.
local function refuse(r, answer)
    for name, field in pairs(answer.fields) do
        if name ~= "connection" and name ~= "content-length" and name ~= "content-type" and name ~= "date" then
            r.err_headers_out[field[1]] = field[2]
        end
    end
    r.err_headers_out["Connection"] = "close" -- a body that the client may be sending is not read
    r.status = answer.status
    r.content_type = answer.fields["content-type"] and answer.fields["content-type"][2] or "text/plain"
    r:write(answer.body)
    return apache2.DONE
end

local function check(r, is_open)
    if not r.is_initial_req then
        return apache2.DECLINED -- a subrequest or an internal redirect of a request that was judged
    end
    local answer = ask(r)
    local status = answer and answer.status or 0
    if status >= 200 and status < 300 then
        for name, field in pairs(answer.fields) do
            if SHOWN[name] then
                r.err_headers_out[field[1]] = field[2]
            end
        end
        return apache2.DECLINED
    end
    if answer and (answer.fields["x-fairvisor-status"] or (status >= 400 and status < 500)) then
        return refuse(r, answer)
    end
    if is_open then
        return apache2.DECLINED
    end
    return refuse(r, { status = 503, body = '{"title":"Service Unavailable","status":503,"reason":"no verdict"}\n',
                       fields = { ["content-type"] = { "Content-Type", "application/problem+json" },
                                  ["retry-after"] = { "Retry-After", "5" } } })
end

function fairvisor_closed(r)
    return check(r, false)
end

function fairvisor_open(r)
    return check(r, true)
end
