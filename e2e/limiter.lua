-- SPDX-License-Identifier: MPL-2.0
-- The policies of bench_scenarios as a limiter for nginx's Lua module that does what a bundle of fairvisord does with a request:
-- original method and path (the path made plain), verified token, limits that are charged all together or not at all, loop
-- detection, circuit breaker, estimate of tokens, signed reservation, fields of the tightest limit. It keeps no metrics, logs
-- nothing, and loses updates of other workers between get and set, as limiters of this kind do.
-- configure(the policy) once, then decision, complex or model for each request; answer alone where the state is not here.

local cjson = require "cjson.safe"
local ffi = require "ffi"
local lrucache = require "resty.lrucache"

local limits = ngx.shared.limits
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local LEEWAY, LOOP_SECONDS, OPEN_SECONDS, DAY = 60, 5, 300, 86400
local BYTES_PER_TOKEN, MEDIA_TOKENS, MOST_COMPLETION, RESERVED_SECONDS = 4, 1000, 800, 900

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int size, const unsigned char *data, size_t bytes,
                    unsigned char *out, unsigned int *out_size);
typedef struct { double level, at; } limiter_bucket;
]]

local limiter = {}
local policy, kept_tokens, own_key

function limiter.configure(given)
    policy, kept_tokens = given, lrucache.new(10000)
    own_key = ngx.sha1_bin(given.secret .. "limiter")
end

-- ---- one request: what it is charged, once nothing has refused it ----------------------------------------------------

local now, count, tightest, tightest_share, loop_count
local keys, levels, costs, lives = {}, {}, {}, {} -- of a bucket a level, of a window a cost
local shown_limit, shown_left, shown_reset, shown_window

local function begin()
    now, count, tightest, tightest_share, loop_count = ngx.now(), 0, nil, 2, 0
end

local function refuse(status, reason, wait)
    local header = ngx.header
    header["X-Fairvisor-Status"] = status
    header["X-Fairvisor-Reason"] = reason
    header["Retry-After"] = max(1, ceil(wait))
    if wait > 60 then header["x-should-retry"] = "false" end
    ngx.status = status
    ngx.exit(status)
    return false
end

local function charge(key, level, cost, life)
    count = count + 1
    keys[count], levels[count], costs[count], lives[count] = key, level, cost, life
end

local function show(limit, left, reset, window)
    if left / limit < tightest_share then
        tightest, tightest_share = true, left / limit
        shown_limit, shown_left, shown_reset, shown_window = limit, left, reset, window
    end
end

local room, ROOM_SIZE, pointer = ffi.new("limiter_bucket[1]"), ffi.sizeof("limiter_bucket"), ffi.typeof("const limiter_bucket *")

-- A token bucket: false when it refused.
local function take(name, value, rate, burst, cost, reason)
    if not value then return true end
    local key, level = name .. value, burst
    local state = limits:get(key)
    if state then
        local bucket = ffi.cast(pointer, state)
        level = min(burst, bucket.level + max(0, now - bucket.at) * rate)
    end
    if level < cost then return refuse(429, reason, (cost - level) / rate) end
    level = level - cost
    charge(key, level, nil, ceil(burst / rate) + 1)
    show(burst, level, (burst - level) / rate, burst / rate)
    return true
end

-- A fixed window: false when it refused, otherwise what is spent of it.
local function spend(name, value, window, most, cost, reason)
    if not value then return 0 end
    local number = floor(now / window)
    local key, left = name .. value .. ":" .. number, (number + 1) * window - now
    local sum = (limits:get(key) or 0) + cost
    if sum > most then return refuse(429, reason, left) end
    charge(key, nil, cost, window)
    show(most, most - sum, left, window)
    return sum
end

local function commit()
    for i = 1, count do
        if levels[i] then
            room[0].level, room[0].at = levels[i], now
            limits:set(keys[i], ffi.string(room, ROOM_SIZE), lives[i])
        else
            limits:incr(keys[i], costs[i], 0, lives[i])
        end
    end
end

local function allow(warning, reservation)
    local header = ngx.header
    commit()
    header["X-Fairvisor-Status"] = 204
    if warning then header["X-Fairvisor-Warning"] = warning end
    if loop_count > 0 then header["X-Fairvisor-Loop-Count"] = loop_count end
    if tightest then
        local left, reset = floor(shown_left), ceil(shown_reset)
        header["RateLimit-Policy"] = '"bench";q=' .. shown_limit .. ";w=" .. ceil(shown_window)
        header["RateLimit-Limit"] = shown_limit
        header["RateLimit"] = '"bench";r=' .. left .. ";t=" .. reset
        header["RateLimit-Remaining"] = left
        header["RateLimit-Reset"] = reset
    end
    if reservation then header["X-Fairvisor-Reservation"] = reservation end
    return ngx.exit(204)
end

-- ---- the original request --------------------------------------------------------------------------------------------

local function plain_byte(digits)
    local byte = string.char(tonumber(digits, 16))
    return byte:find("[%w%-._~]") and byte or "%" .. digits
end

local function made_plain(path)
    local segments = {}
    path = path:gsub("%%(%x%x)", plain_byte):gsub("//+", "/")
    for segment in path:gmatch("[^/]+") do
        if segment == ".." then
            segments[#segments] = nil
        elseif segment ~= "." then
            segments[#segments + 1] = segment
        end
    end
    return "/" .. table.concat(segments, "/") .. (path:find("/%.?%.?$") and #segments > 0 and "/" or "")
end

-- Method, path and query of X-Original-*, or nil.
local function original()
    local method, uri = ngx.var.http_x_original_method, ngx.var.http_x_original_uri
    if not method or not uri or uri:sub(1, 1) ~= "/" then return nil end
    local mark, query = uri:find("?", 1, true), ""
    if mark then uri, query = uri:sub(1, mark - 1), uri:sub(mark + 1) end
    if uri:find("%", 1, true) or uri:find("//", 1, true) or uri:find("/.", 1, true) then uri = made_plain(uri) end
    return method, uri, query
end

-- Whether PATH is PREFIX or below it.
local function is_under(path, prefix)
    return path == prefix or path:sub(1, #prefix + 1) == prefix .. "/"
end

-- ---- tokens ----------------------------------------------------------------------------------------------------------

local nothing, digest = {}, ffi.new("unsigned char[32]")

local function base64url(text)
    return ngx.decode_base64((text:gsub("-", "+"):gsub("_", "/")) .. ("="):rep(-#text % 4))
end

local function is_timely(claims)
    return (not claims.exp or claims.exp + LEEWAY > now) and (not claims.nbf or claims.nbf - LEEWAY <= now)
end

local function verified(token)
    local signed, head, claims, signature = token:match("^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$")
    if not signed then return nil end
    head = cjson.decode(base64url(head) or "")
    if type(head) ~= "table" or head.crit or head.alg ~= "HS256" then return nil end
    ffi.C.HMAC(ffi.C.EVP_sha256(), policy.secret, #policy.secret, signed, #signed, digest, nil)
    if base64url(signature) ~= ffi.string(digest, 32) then return nil end
    claims = cjson.decode(base64url(claims) or "")
    return type(claims) == "table" and claims or nil
end

-- Claims of the request, those of a token that verified; nil when it did not.
local function claims_of(authorization)
    if not authorization or authorization:sub(1, 7):lower() ~= "bearer " then return nothing end
    local token = authorization:sub(8)
    local claims = kept_tokens:get(token)
    if not claims then
        if not token:find("^[^.]*%.[^.]*%.[^.]*$") then return nothing end
        claims = verified(token)
        if not claims then return nil end
        kept_tokens:set(token, claims)
    end
    return is_timely(claims) and claims or nil
end

-- ---- loops and the breaker -------------------------------------------------------------------------------------------

local function sorted(query)
    if not query:find("&", 1, true) then return query end
    local parts = {}
    for part in query:gmatch("[^&]+") do parts[#parts + 1] = part end
    table.sort(parts)
    return table.concat(parts, "&")
end

-- Values with their sizes never run together.
local function sized(value)
    return #value .. ":" .. value
end

local function is_loop(method, path, query, identity)
    local fingerprint = ngx.md5_bin(own_key .. sized(method) .. sized(path) .. sized(sorted(query)) .. identity)
    local tries = tonumber(ngx.var.http_x_stainless_retry_count or "0") or 0
    if tries > 0 and limits:incr("again:" .. fingerprint, 1, 0, LOOP_SECONDS) <= 2 then return false end
    local number = floor(now / LOOP_SECONDS)
    local key = "loop:" .. fingerprint .. number
    loop_count = (limits:get(key) or 0) + 1
    if loop_count >= policy.loop then return true end
    charge(key, nil, 1, LOOP_SECONDS)
    return false
end

-- Whether the breaker is open, or opens now.
local function is_open(identity)
    if limits:get("open:" .. identity) then return true end
    local key = "spent:" .. identity .. floor(now / 60)
    if (limits:get(key) or 0) + 1 > policy.breaker then
        limits:set("open:" .. identity, true, OPEN_SECONDS)
        return true
    end
    charge(key, nil, 1, 60)
    return false
end

-- ---- the scenarios ---------------------------------------------------------------------------------------------------

function limiter.decision()
    begin()
    if not original() then return ngx.exit(400) end
    if not take("rate:", ngx.var.remote_addr, policy.rate, max(policy.rate, 10), 1, "rate_limit_exceeded") then return end
    return allow()
end

-- Of a bucket that is kept elsewhere: LEFT is what is left of it, below 0 when it refuses.
function limiter.answer(left, rate, burst)
    begin()
    if left < 0 then return refuse(429, "rate_limit_exceeded", 1 / rate) end
    show(burst, left, (burst - left) / rate, burst / rate)
    return allow()
end

local function take_all(claims, address, key)
    local reason = "rate_limit_exceeded"
    return take("org:", claims.org_id, policy.org, max(policy.org, 10), 1, reason) and
        take("user:", claims.sub, policy.user, max(policy.user, 10), 1, reason) and
        take("address:", address, policy.address, max(policy.address, 10), 1, reason) and
        take("key:", key, policy.key, max(policy.key, 10), 1, reason)
end

function limiter.complex()
    begin()
    local method, path, query = original()
    if not method then return ngx.exit(400) end
    local claims = claims_of(ngx.var.http_authorization)
    if not claims then return refuse(401, "jwt_invalid", 61) end
    if not is_under(path, "/v1") or (method ~= "GET" and method ~= "POST") then return allow() end
    local address, key = ngx.var.remote_addr, ngx.var.http_x_api_key
    local identity = sized(claims.org_id or "") .. sized(claims.sub or "") .. sized(address) .. sized(key or "")
    if is_loop(method, path, query, identity) then return refuse(429, "loop_detected", 61) end
    if is_open(identity) then return refuse(429, "circuit_breaker_open", OPEN_SECONDS) end
    if not take_all(claims, address, key) then return end
    local spent = spend("budget:", claims.org_id, DAY, policy.budget, 1, "budget_exhausted")
    if not spent then return end
    return allow(spent >= 0.8 * policy.budget and "budget_warn" or nil)
end

-- Bytes of text in CONTENT, a string or parts; what is no text counts as so much.
local function bytes_of(content)
    if type(content) == "string" then return #content end
    local bytes = 0
    for _, part in ipairs(type(content) == "table" and content or nothing) do
        bytes = bytes + (type(part) == "table" and (type(part.text) == "string" and #part.text or MEDIA_TOKENS * BYTES_PER_TOKEN) or 0)
    end
    return bytes
end

local function tokens_of(body)
    local bytes = bytes_of(body.system) + (body.tools and #cjson.encode(body.tools) or 0)
    for _, message in ipairs(type(body.messages) == "table" and body.messages or nothing) do
        if type(message) == "table" then bytes = bytes + bytes_of(message.content) end
    end
    local completion = tonumber(body.max_completion_tokens or body.max_tokens) or MOST_COMPLETION
    return ceil(bytes / BYTES_PER_TOKEN) + max(0, completion) * max(1, tonumber(body.n) or 1)
end

local serial = 0

local function reserved(key, tokens)
    serial = serial + 1
    local text = string.format("1 %d %d %d %d %s", now + RESERVED_SECONDS, ngx.worker.pid(), serial, tokens, key)
    return ngx.encode_base64(text .. ngx.hmac_sha1(own_key, text))
end

function limiter.model()
    begin()
    if not is_under(ngx.var.uri, "/v1/decision/v1/chat") then return allow() end
    ngx.req.read_body()
    local key, body = ngx.var.http_x_api_key, cjson.decode(ngx.req.get_body_data() or "")
    local tokens = tokens_of(type(body) == "table" and body or nothing)
    if not take("minute:", key, policy.minute / 60, policy.minute, tokens, "tpm_exceeded") or
        not spend("day:", key, DAY, policy.day, tokens, "tpd_exceeded") then return end
    return allow(nil, reserved(key or "", tokens))
end

return limiter
