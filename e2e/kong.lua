-- SPDX-License-Identifier: MPL-2.0
--
-- What packaging/gateways/kong/kong.yml uses of Kong, in nginx with Lua: the functions of kong.* as Kong's documentation has them, over
-- the ngx.* on which Kong's own stand, and of resty.http so much as that file calls. It lets the shipped Lua run and be looked at in a real
-- server; that Kong itself behaves as documented is not shown by it.

kong = {
    request = {
        get_headers = function(most) return ngx.req.get_headers(most) end, -- names in small letters; a table where one occurs again
        get_method = function() return ngx.req.get_method() end,
        get_path_with_query = function() return ngx.var.request_uri end,
        get_host = function() return ngx.var.host end,
    },
    client = { get_forwarded_ip = function() return ngx.var.remote_addr end }, -- nginx' realip stands behind it
    response = {
        set_header = function(name, value) ngx.header[name] = value end,
        exit = function(status, body, headers)
            ngx.status = status
            for name, value in pairs(headers or {}) do
                ngx.header[name] = value
            end
            ngx.header["Content-Length"] = #(body or "")
            ngx.print(body or "")
            return ngx.exit(status)
        end,
    },
    service = { request = { set_header = function(name, value) ngx.req.set_header(name, value) end } },
}

local function write_head(method, path, host, headers)
    local lines = { method .. " " .. path .. " HTTP/1.1", "Host: " .. host }
    for name, value in pairs(headers) do
        for _, one in ipairs(type(value) == "table" and value or { value }) do
            lines[#lines + 1] = name .. ": " .. one
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Fields of an answer are found by any spelling of their names.
local function read_fields(socket)
    local spelled, headers = {}, {}
    setmetatable(headers, { __index = function(self, name) return rawget(self, spelled[name:lower()] or "") end })
    while true do
        local line, trouble = socket:receive()
        if not line then
            return nil, trouble
        elseif line == "" then
            return headers
        end
        local name, value = line:match("^([^:]+):%s*(.*)$")
        spelled[name:lower()] = name
        headers[name] = value
    end
end

local Client = {}
Client.__index = Client

function Client:set_timeouts(connect, send, read)
    self.connect, self.send, self.read = connect, send, read
end

function Client:request_uri(address, params)
    local host, port, path = address:match("^http://([%d.]+):(%d+)(/.*)$")
    local socket, answer = ngx.socket.tcp(), {}
    local ok, trouble = socket:settimeouts(self.connect, self.send, self.read)
    ok, trouble = socket:connect(host, tonumber(port))
    if not ok then
        return nil, trouble
    end
    ok, trouble = socket:send(write_head(params.method, path, host .. ":" .. port, params.headers))
    local first
    if ok then
        first, trouble = socket:receive()
    end
    answer.status = first and tonumber(first:match("^HTTP/1.1 (%d+)"))
    if answer.status then
        answer.headers, trouble = read_fields(socket)
    end
    if not answer.headers then
        return nil, trouble
    end
    answer.body, trouble = socket:receive(tonumber(answer.headers["Content-Length"]))
    if not answer.body then
        return nil, trouble
    end
    if (answer.headers["Connection"] or ""):lower() == "close" then
        socket:close()
    else
        socket:setkeepalive(params.keepalive_timeout, params.keepalive_pool)
    end
    return answer
end

package.loaded["resty.http"] = { new = function() return setmetatable({}, Client) end }
