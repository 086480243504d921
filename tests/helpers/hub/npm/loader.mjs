// The parser imports JSON without saying so, which node refuses.
import { register } from 'node:module';

const hooks = `
const json = (context) => ({...context, importAttributes: {...context.importAttributes, type: 'json'}});
export async function resolve(name, context, next) {
  const found = await next(name, context);
  return found.url.endsWith('.json') ? json(found) : found;
}
export async function load(url, context, next) {
  return next(url, url.endsWith('.json') ? json(context) : context);
}`;
register('data:text/javascript,' + encodeURIComponent(hooks));
