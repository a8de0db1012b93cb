// Draws what a token has used. The token goes from this field to the gateway and is kept nowhere.
'use strict';

const form = document.getElementById('usage-form');
const drawn = document.getElementById('drawn');
const said = document.getElementById('said');

const dollars = micro => {
  const cents = String(Math.abs(micro) % 1000000).padStart(6, '0').replace(/0{1,4}$/, '');
  return `$${Math.floor(Math.abs(micro) / 1000000)}.${cents}`;
};
const whole = count => count.toLocaleString('en');

const element = (name, text, parent) => {
  const made = document.createElement(name);
  made.textContent = text;
  parent?.append(made);
  return made;
};

// A share of a whole, as a bar; what it says stands beside it in words.
const bar = (part, of) => {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 1000 10');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  for (const width of [1000, of > 0 ? Math.min(1000, Math.round(1000 * part / of)) : 0]) {
    const rect = document.createElementNS(space, 'rect');
    rect.setAttribute('width', width);
    rect.setAttribute('height', 10);
    svg.append(rect);
  }
  return svg;
};

const line = (name, value, more, part, of, list) => {
  const item = element('li', '', list);
  const head = element('p', '', item);
  element('strong', name, head);
  element('span', value, head).className = 'num';
  item.append(bar(part, of));
  element('p', more, item).className = 'quiet small num';
};

const draw = usage => {
  drawn.replaceChildren();
  element('h2', `Scope ${usage.scope}`, drawn);
  const list = element('ul', '', drawn);
  list.className = 'bars';
  if (usage.budget) {
    const { limit_micro_usd: limit, spent_micro_usd: spent, held_micro_usd: held } = usage.budget;
    const again = usage.budget.resets_at.slice(0, 16).replace('T', ', ');
    line('Budget', `${dollars(spent)} of ${dollars(limit)}`,
      `${dollars(held)} more set aside by requests that run · whole again on ${again} UTC`,
      spent, limit, list);
  }
  const most = Math.max(0, ...usage.models.map(model => model.charged_micro_usd));
  for (const model of usage.models) {
    line(model.model, dollars(model.charged_micro_usd),
      `${whole(model.requests)} ${model.requests === 1 ? 'request' : 'requests'} · ` +
      `${whole(model.input_tokens)} tokens read · ${whole(model.output_tokens)} written`,
      model.charged_micro_usd, most, list);
  }
  if (!usage.models.length) element('p', 'Nothing was asked with this token yet.', drawn);
  drawn.hidden = false;
};

form?.addEventListener('submit', async event => {
  event.preventDefault();
  drawn.hidden = true;
  said.textContent = 'Asking the gateway…';
  try {
    const token = new FormData(form).get('token').trim();
    const answer = await fetch(form.action, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({ token }),
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    });
    if (!answer.ok) throw new Error();
    draw(await answer.json());
    said.textContent = 'Drawn below.';
  } catch {
    said.textContent = 'The gateway did not take this token. It may have ended, or it was not copied whole.';
  }
});
