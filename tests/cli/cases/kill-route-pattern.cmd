fairvisor kill header:x-key 1 --route '/api/*'
