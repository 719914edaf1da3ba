fairvisor kill path '/api/*'
