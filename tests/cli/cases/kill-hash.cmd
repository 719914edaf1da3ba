fairvisor kill header:x-api-key '#d574ee4331648f87'
