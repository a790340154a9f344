// tine run --fn slug --args '["To be, or not?"]' prints to-be-or-not
const slug = (text) => text.toLowerCase().match(/[a-z0-9]+/g).join('-');

require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, args } = JSON.parse(line);
  let reply;
  try {
    reply = { id, result: slug(...args) ?? null };
  } catch (error) {
    reply = { id, error: { type: error.name, message: error.message } };
  }
  process.stdout.write(JSON.stringify(reply) + '\n');
});
