"""What the tests stand on: databases, servers, browsers, golden files, counted statements."""
