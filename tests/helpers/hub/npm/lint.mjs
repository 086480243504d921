// What an XML schema finds wrong with a document: lint.mjs SCHEMA DOCUMENT. Prints JSON, an empty list where it is valid.
import fs from 'node:fs';
import { validateXML } from 'xmllint-wasm';

const [schema, document] = process.argv.slice(2).map((name) => fs.readFileSync(name, 'utf8'));
const checked = await validateXML({xml: [{fileName: 'document.xml', contents: document}], schema: [schema]});
console.log(JSON.stringify(checked.errors.map((error) => error.rawMessage)));
